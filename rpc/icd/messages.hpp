#pragma once
/// All ICD messages, as protoc makes them. Heavy: for handlers and tests, never for headers.

#include "rpc/icd/control.pb.h"
#include "rpc/icd/enums.pb.h"
#include "rpc/icd/events.pb.h"
#include "rpc/icd/request.pb.h"
#include "rpc/icd/shared.pb.h"
#include "rpc/icd/stream.pb.h"
