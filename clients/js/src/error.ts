/** A call that failed. `code` is the server's (-32000 authentication, -32001 the method failed, -32601 unknown method, -32602 bad arguments) or 0. `data`: what the server added; of an answer that said `success: false`, that answer. */
export class CubelinkError extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor(message: string, code = 0, data?: unknown) {
    super(message);
    this.name = "CubelinkError";
    this.code = code;
    this.data = data;
  }
}

export const AUTHENTICATION_FAILED = -32000;

export const METHOD_FAILED = -32001;

export const BAD_ARGUMENTS = -32602;

/** An answer that says `success: false` as the error that it is; other answers as they are. */
export function successOrThrow<T>(answer: T, method: string): T {
  if (answer === null || typeof answer !== "object") return answer;
  const { success, message } = answer as { success?: unknown; message?: unknown };
  if (success !== false) return answer;
  throw new CubelinkError(typeof message === "string" && message !== "" ? message : `${method} failed`, METHOD_FAILED, answer);
}

/** What wslink rejects with is a plain object {code, message, data}; errors of sockets are events without a text. */
export function toError(reason: unknown, context: string): CubelinkError {
  if (reason instanceof CubelinkError) return reason;
  if (reason !== null && typeof reason === "object") {
    const { code, message, data } = reason as { code?: unknown; message?: unknown; data?: unknown };
    if (typeof message === "string" && message !== "") {
      // "Exception raised" alone would tell nobody anything.
      const exception = (data as { exception?: unknown } | undefined)?.exception;
      const text = typeof exception === "string" && exception !== "" ? exception : message;
      return new CubelinkError(`${context}: ${text}`, typeof code === "number" ? code : 0, data);
    }
  }
  return new CubelinkError(`${context}: ${typeof reason === "string" ? reason : "failed"}`);
}
