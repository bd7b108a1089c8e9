// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A system call failed.
package struct SystemError: Error, CustomStringConvertible {
    package let description: String

    init(_ attempt: String, _ number: Int32 = errno) {
        description = "\(attempt): \(String(cString: strerror(number)))"
    }
}

/// Both ends of a pipe; no child inherits either.
struct Pipe {
    let reader: Int32
    let writer: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard GNU.pipe2(&ends, O_CLOEXEC) == 0 else { throw SystemError("make a pipe") }
        (reader, writer) = (ends[0], ends[1])
    }
}

/// Starts a program as the leader of a session of its own, with the default signal actions and with no descriptor but
/// the three given.
///
/// A session of its own keeps Ctrl-C of the person who runs the tests away from it: the watchdog ends it then.
func spawn(
    _ program: String,
    _ arguments: [String],
    environment: [String: String],
    folder: String?,
    descriptors: (input: Int32, output: Int32, error: Int32)
) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, descriptors.input, 0)
    posix_spawn_file_actions_adddup2(&actions, descriptors.output, 1)
    posix_spawn_file_actions_adddup2(&actions, descriptors.error, 2)
    _ = GNU.addCloseFrom(&actions, 3)
    if let folder { _ = GNU.addChangeFolder(&actions, folder) }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigdefault(&attributes, &all)
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    let setSession: Int32 = 0x80  // POSIX_SPAWN_SETSID
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | setSession))

    var pid: pid_t = 0
    let status = withCStrings([program] + arguments) { argv in
        withCStrings(environment.map { "\($0)=\($1)" }) { envp in
            posix_spawn(&pid, program, &actions, &attributes, argv, envp)
        }
    }
    guard status == 0 else { throw SystemError("start \(program)", status) }
    return pid
}

/// Writes a script that is to be started. Another program writes it: of a file that this process has open, whatever
/// another test starts at that moment holds a copy for an instant, and Linux starts no file that somebody may write to
/// (ETXTBSY, execve(2)).
package func writeProgram(_ text: String, to path: String) throws {
    let null = open("/dev/null", O_RDWR | O_CLOEXEC)
    defer { close(null) }
    let pid = try spawn(
        "/bin/sh",
        ["-c", #"printf %s "$1" >"$2" && chmod 755 "$2""#, "sh", text, path],
        environment: ["PATH": "/usr/bin:/bin"],
        folder: nil,
        descriptors: (null, null, null)
    )
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    guard status == 0 else { throw SystemError("write \(path)", EIO) }
}

/// The strings as a C array that ends with a null pointer.
private func withCStrings<Value>(
    _ strings: [String],
    _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Value
) -> Value {
    var pointers = strings.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { preconditionFailure("the array holds at least the null pointer") }
        return body(base)
    }
}

/// Functions of glibc that its Swift module leaves out, because they stand behind `_GNU_SOURCE`.
private enum GNU {
    typealias Pipe2 = @convention(c) (UnsafeMutablePointer<Int32>, Int32) -> Int32
    typealias AddCloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
    typealias AddChangeFolder =
        @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, UnsafePointer<CChar>) -> Int32

    static let pipe2: Pipe2 = find("pipe2")
    static let addCloseFrom: AddCloseFrom = find("posix_spawn_file_actions_addclosefrom_np")
    static let addChangeFolder: AddChangeFolder = find("posix_spawn_file_actions_addchdir_np")

    private static func find<Function>(_ name: String) -> Function {
        guard let symbol = dlsym(nil, name) else { preconditionFailure("glibc 2.34 and later has \(name)") }
        return unsafeBitCast(symbol, to: Function.self)
    }
}
