#pragma once
/// Clang's thread-safety attributes (-Wthread-safety), which say in code which mutex guards what. Other compilers see nothing.
/// They work with the types of platform/mutex.hpp only: std::mutex isn't annotated in libstdc++.
///
///     Mutex mutex_;
///     int count_ CUBELINK_GUARDED_BY(mutex_);                      // read and written only while mutex_ is locked
///     void add_locked(int n) CUBELINK_REQUIRES(mutex_);            // the caller has locked mutex_
///     changed_.wait(lock, [this]() CUBELINK_REQUIRES(mutex_) { return count_ > 0; });

#if defined(__clang__)
#define CUBELINK_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define CUBELINK_THREAD_ATTRIBUTE(x)
#endif

/// A class whose objects can be locked; `name` appears in diagnostics.
#define CUBELINK_CAPABILITY(name) CUBELINK_THREAD_ATTRIBUTE(capability(name))
/// A class whose objects hold a lock for as long as they live.
#define CUBELINK_SCOPED_CAPABILITY CUBELINK_THREAD_ATTRIBUTE(scoped_lockable)
/// The variable, or what the pointer points to, is used only while the mutex is locked.
#define CUBELINK_GUARDED_BY(...) CUBELINK_THREAD_ATTRIBUTE(guarded_by(__VA_ARGS__))
#define CUBELINK_PT_GUARDED_BY(...) CUBELINK_THREAD_ATTRIBUTE(pt_guarded_by(__VA_ARGS__))
/// The function is called with the mutex locked, and leaves it so.
#define CUBELINK_REQUIRES(...) CUBELINK_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
/// The function is called with the mutex not locked: it locks it itself.
#define CUBELINK_EXCLUDES(...) CUBELINK_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
/// The function locks, or unlocks, and returns so.
#define CUBELINK_ACQUIRE(...) CUBELINK_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define CUBELINK_RELEASE(...) CUBELINK_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
/// The function locks if it returns the first argument.
#define CUBELINK_TRY_ACQUIRE(...) CUBELINK_THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
/// Order of locking between two mutexes.
#define CUBELINK_ACQUIRED_BEFORE(...) CUBELINK_THREAD_ATTRIBUTE(acquired_before(__VA_ARGS__))
#define CUBELINK_ACQUIRED_AFTER(...) CUBELINK_THREAD_ATTRIBUTE(acquired_after(__VA_ARGS__))
/// From here on the analysis takes the mutex as locked. For code that it can't follow; unlike REQUIRES, nobody checks it.
#define CUBELINK_ASSERT_CAPABILITY(...) CUBELINK_THREAD_ATTRIBUTE(assert_capability(__VA_ARGS__))
/// The function returns a reference to that mutex.
#define CUBELINK_RETURN_CAPABILITY(x) CUBELINK_THREAD_ATTRIBUTE(lock_returned(x))
/// The function's body is not analysed. Say why beside it.
#define CUBELINK_NO_THREAD_SAFETY_ANALYSIS CUBELINK_THREAD_ATTRIBUTE(no_thread_safety_analysis)
