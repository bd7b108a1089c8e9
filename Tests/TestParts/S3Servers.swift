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

/// rclone serving a folder as S3: a bucket is a folder in it. With TLS material, over HTTPS.
@discardableResult
package func withRcloneS3<Value>(
    folder: URL? = nil,
    tls: TLSMaterial? = nil,
    _ body: (S3Service) async throws -> Value
) async throws -> Value {
    guard let folder else {
        return try await withTemporaryFolder { try await withRcloneS3(folder: $0, tls: tls, body) }
    }
    return try await Slots.taking { try await serveS3(folder, tls, body) }
}

private func serveS3<Value>(
    _ folder: URL,
    _ tls: TLSMaterial?,
    _ body: (S3Service) async throws -> Value
) async throws -> Value {
    let port = try Port()
    var arguments = [
        "serve", "s3", "--addr", "127.0.0.1:\(port.number)", "--auth-key", "\(accessKey),\(secretKey)", "--config", "",
        folder.path,
    ]
    if let tls { arguments += ["--cert", tls.serverCertificate, "--key", tls.serverKey] }
    let child = try ChildProcess(try Parts.rclone(), arguments, environment: homeless(folder))
    return try await ending({ await child.end(graceSeconds: 1) }) {
        try await waitForListener(child, port)
        let scheme = tls == nil ? "http" : "https"
        return try await body(service(child, port, scheme: scheme))
    }
}

private let accessKey = "tests-access-key"
private let secretKey = "tests/secret+key=0123456789"
private let sharedSeaweedFS = Once { try await startSeaweedFS() }
private let sharedMoto = Once { try await startMoto() }

private func service(_ child: ChildProcess, _ port: Port, scheme: String = "http") -> S3Service {
    S3Service(
        endpoint: "\(scheme)://127.0.0.1:\(port.number)",
        accessKey: accessKey,
        secretKey: secretKey,
        child: child,
        held: [port]
    )
}

private func homeless(_ folder: URL) -> [String: String] {
    // A limit for the garbage collector of Go, so that a few of these fit beside each other.
    ChildProcess.plainEnvironment.merging(["HOME": folder.path, "GOMEMLIMIT": "256MiB"]) { $1 }
}

private func waitForListener(_ child: ChildProcess, _ port: Port) async throws {
    try await eventually("\(child.name) to listen on port \(port.number)", withinSeconds: 60) {
        if let exit = child.exit {
            throw UnretryableError("\(child.name) ended (\(exit.status)):\n\(child.output.tail())")
        }
        await (try ByteChannel.connect(port: port.number)).close()
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

private func orEnding<Value>(_ child: ChildProcess, _ body: () async throws -> Value) async throws -> Value {
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
