// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// Ends what the tests started, and removes their temporary folder, even when the test process is killed with -9.
///
/// A small shell outlives us: it holds the reading end of a pipe, hears which process groups live, and acts at the end
/// of the file. (`PR_SET_PDEATHSIG` would not do: it fires when the *thread* that started the child ends.)
package final class Watchdog: Sendable {
    static let shared = Watchdog()

    /// The folder that holds every temporary folder of this process.
    let root: String
    private let pipe = Mutex<Int32?>(nil)

    /// Reads `add GROUP`, `del GROUP` and `file PATH`; `$0` is the folder to remove.
    package static let script = """
        groups=' '
        files=
        while read -r verb group; do
            case $verb in
            add) groups="$groups$group " ;;
            file) files="$files $group" ;;
            del)
                left=' '
                for each in $groups; do [ "$each" = "$group" ] || left="$left$each "; done
                groups=$left
                ;;
            esac
        done
        for each in $groups; do kill -KILL -"$each" 2>/dev/null; done
        # A program that was killed a moment ago may still be writing.
        for attempt in 1 2 3 4 5; do rm -rf "$0" $files 2>/dev/null && break; sleep 0.2; done
        """

    private init() {
        let parent = FileManager.default.temporaryDirectory.path
        root = "\(parent)/redoubt-tests-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        // A child that closes its input early must not end the test process.
        signal(SIGPIPE, SIG_IGN)
    }

    func add(_ group: pid_t) throws { try tell("add \(group)\n") }
    func remove(_ group: pid_t) throws { try tell("del \(group)\n") }
    /// Removes this file, too, when the test process has ended. Its name holds no space.
    func remove(file: String) throws { try tell("file \(file)\n") }
    /// Starts the watchdog, if it does not run yet.
    func start() throws { try tell("") }

    private func tell(_ line: String) throws {
        try pipe.withLock { pipe in
            let descriptor: Int32
            if let open = pipe {
                descriptor = open
            } else {
                descriptor = try Self.startShell(root: root)
                pipe = descriptor
            }
            let bytes = Array(line.utf8)
            // Lines are far shorter than PIPE_BUF, so one call writes all or nothing.
            guard bytes.isEmpty || write(descriptor, bytes, bytes.count) == bytes.count else {
                throw SystemError("speak to the watchdog")
            }
        }
    }

    private static func startShell(root: String) throws -> Int32 {
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        let pipe = try Pipe()
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer {
            close(pipe.reader)
            close(null)
        }
        _ = try spawn(
            "/bin/sh",
            ["-c", script, root],
            environment: ["PATH": "/usr/bin:/bin"],
            folder: "/",
            descriptors: (pipe.reader, null, null)
        )
        return pipe.writer
    }
}
