// SPDX-License-Identifier: Apache-2.0

import Foundation

/// SeaweedFS: checks signatures, multipart rules, checksums and `If-None-Match`.
///
/// Its start takes three seconds, so the tests of a process share one, and each makes a bucket of its own; a test that
/// stops or kills the server asks for one of its own.
@discardableResult
package func withSeaweedFS<Value>(shared: Bool = true, _ body: (S3Service) async throws -> Value) async throws -> Value
{
    try await Slots.taking {
        if shared { return try await body(sharedSeaweedFS.value()) }
        let service = try await startSeaweedFS()
        return try await ending({ await service.child.end(graceSeconds: 1) }) { try await body(service) }
    }
}

/// moto: checks no signature, but knows much of AWS.
@discardableResult
package func withMoto<Value>(shared: Bool = true, _ body: (S3Service) async throws -> Value) async throws -> Value {
    try await Slots.taking {
        if shared { return try await body(sharedMoto.value()) }
        let service = try await startMoto()
        return try await ending({ await service.child.end(graceSeconds: 1) }) { try await body(service) }
    }
}

/// rclone serving a folder as S3: a bucket is a folder in it. With TLS material, over HTTPS; `asksWho`: only clients
/// with a certificate of the same authority are let in.
@discardableResult
package func withRcloneS3<Value>(
    folder: URL? = nil,
    tls: TLSMaterial? = nil,
    asksWho: Bool = false,
    host: String = "127.0.0.1",
    _ body: (S3Service) async throws -> Value
) async throws -> Value {
    guard let folder else {
        return try await withTemporaryFolder {
            try await withRcloneS3(folder: $0, tls: tls, asksWho: asksWho, host: host, body)
        }
    }
    var options: [String] = []
    if let tls { options += ["--cert", tls.serverCertificate, "--key", tls.serverKey] }
    if let tls, asksWho { options += ["--client-ca", tls.authority] }
    return try await Slots.taking { [options] in try await serveS3(folder, host, options, body) }
}

/// rclone that serves a folder by WebDAV, to one user.
package struct WebDAVService: Sendable {
    package let port: Int
    package let user = "tests"
    package let password = "tests/pass word+0123456789"
    package let child: ChildProcess
    let held: Port

    /// What a program needs in its environment to use it.
    package var environment: [String: String] { ["WEBDAV_USER": user, "WEBDAV_PASSWORD": password] }
}

/// Runs `rclone serve webdav` on a folder for as long as the scope lasts.
@discardableResult
package func withRcloneWebDAV<Value>(
    folder: URL,
    tls: TLSMaterial? = nil,
    _ body: (WebDAVService) async throws -> Value
) async throws -> Value {
    try await Slots.taking {
        let port = try Port()
        var arguments = ["serve", "webdav", "--addr", "127.0.0.1:\(port.number)", "--config", "", folder.path]
        if let tls { arguments += ["--cert", tls.serverCertificate, "--key", tls.serverKey] }
        // The cache of folders would show what another way of changing them has removed.
        // With none at all rclone 1.75 may spin: each folder forgets the one above, and that again those below.
        arguments += ["--dir-cache-time", "1ms"]
        var environment = homeless(folder)
        environment["RCLONE_USER"] = "tests"
        environment["RCLONE_PASS"] = "tests/pass word+0123456789"
        let child = try ChildProcess(try Parts.rclone(), arguments, environment: environment)
        return try await ending({ await child.end(graceSeconds: 1) }) {
            try await waitForListener(child, port)
            return try await body(WebDAVService(port: port.number, child: child, held: port))
        }
    }
}

private func serveS3<Value>(
    _ folder: URL,
    _ host: String,
    _ options: [String],
    _ body: (S3Service) async throws -> Value
) async throws -> Value {
    let port = try Port()
    let shownHost = host.contains(":") ? "[\(host)]" : host
    let arguments =
        ["serve", "s3", "--addr", "\(shownHost):\(port.number)", "--auth-key", "\(accessKey),\(secretKey)"]
        + ["--config", "", folder.path] + options
    let child = try ChildProcess(try Parts.rclone(), arguments, environment: homeless(folder))
    return try await ending({ await child.end(graceSeconds: 1) }) {
        try await waitForListener(child, port, host: host)
        let scheme = options.isEmpty ? "http" : "https"
        return try await body(service(child, port, scheme: scheme, host: shownHost))
    }
}

private let accessKey = "tests-access-key"
private let secretKey = "tests/secret+key=0123456789"
private let sharedSeaweedFS = Once { try await startSeaweedFS() }
private let sharedMoto = Once { try await startMoto() }

private func service(
    _ child: ChildProcess,
    _ port: Port,
    scheme: String = "http",
    host: String = "127.0.0.1"
) -> S3Service {
    S3Service(
        endpoint: "\(scheme)://\(host):\(port.number)",
        accessKey: accessKey,
        secretKey: secretKey,
        child: child,
        held: [port]
    )
}

func homeless(_ folder: URL) -> [String: String] {
    // A limit for the garbage collector of Go, so that a few of these fit beside each other.
    ChildProcess.plainEnvironment.merging(["HOME": folder.path, "GOMEMLIMIT": "256MiB"]) { $1 }
}

func waitForListener(_ child: ChildProcess, _ port: Port, host: String = "127.0.0.1") async throws {
    try await eventually("\(child.name) to listen on port \(port.number)", withinSeconds: 60) {
        if let exit = child.exit {
            throw UnretryableError("\(child.name) ended (\(exit.status)):\n\(child.output.tail())")
        }
        await (try ByteChannel.connect(host: host, port: port.number)).close()
        return true
    }
}

private func startMoto() async throws -> S3Service {
    let port = try Port()
    let folder = try temporaryFolder()
    let child = try ChildProcess(
        Parts.motoServer(),
        ["-H", "127.0.0.1", "-p", "\(port.number)"],
        environment: homeless(folder)
    )
    return try await orEnding(child) {
        try await waitForListener(child, port)
        return service(child, port)
    }
}

private func startSeaweedFS() async throws -> S3Service {
    let folder = try temporaryFolder()
    let ports = try (0..<8).map { _ in try Port() }
    try FileManager.default.createDirectory(
        at: folder.appendingPathComponent("data"),
        withIntermediateDirectories: true
    )
    // One volume for each bucket is enough; seven is the default.
    try write("[master.volume_growth]\ncopy_1 = 1\n", to: folder.appendingPathComponent("master.toml"))
    try write(identities, to: folder.appendingPathComponent("s3.json"))
    // It puts sockets of these names into /tmp, whatever it is told, and leaves them there.
    for (port, name) in zip([1, 3, 5, 7], ["master", "volume", "filer", "s3"]) {
        try Watchdog.shared.remove(file: "/tmp/seaweedfs-\(name)-grpc-\(ports[port].number).sock")
    }
    let child = try ChildProcess(
        Parts.weed(),
        seaweedArguments(folder, ports.map(\.number)),
        environment: homeless(folder),
        folder: folder
    )
    return try await orEnding(child) {
        try await waitForListener(child, ports[6])
        let service = S3Service(
            endpoint: "http://127.0.0.1:\(ports[6].number)",
            accessKey: accessKey,
            secretKey: secretKey,
            child: child,
            held: ports
        )
        // It listens before it can write: the volume server has to be known to the master.
        try await eventually("SeaweedFS to take an object", withinSeconds: 60) {
            let bucket = try await service.makeBucket("ready")
            try await service.put("ready", in: bucket, [1])
            return true
        }
        return service
    }
}

func orEnding<Value>(_ child: ChildProcess, _ body: () async throws -> Value) async throws -> Value {
    do { return try await body() } catch {
        await child.end(graceSeconds: 0)
        throw error
    }
}

private func write(_ text: String, to file: URL) throws {
    try text.write(to: file, atomically: false, encoding: .utf8)
}

private let identities = """
    {"identities": [{"name": "tests", "credentials": [{"accessKey": "\(accessKey)", "secretKey": "\(secretKey)"}],
      "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
    """

private func seaweedArguments(_ folder: URL, _ ports: [Int]) -> [String] {
    [
        "server", "-dir=\(folder.path)/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.port=\(ports[0])",
        "-master.port.grpc=\(ports[1])", "-volume.port=\(ports[2])", "-volume.port.grpc=\(ports[3])",
        "-filer.port=\(ports[4])", "-filer.port.grpc=\(ports[5])", "-filer.localSocket=\(folder.path)/filer.sock",
        "-s3", "-s3.port=\(ports[6])", "-s3.port.grpc=\(ports[7])", "-s3.localSocket=\(folder.path)/s3.sock",
        "-s3.config=\(folder.path)/s3.json", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false",
        "-master.volumeSizeLimitMB=1024", "-master.electionTimeout=1s", "-master.heartbeatInterval=100ms",
        "-volume.max=1000", "-volume.minFreeSpace=1GiB",
    ]
}
