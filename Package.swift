// swift-tools-version: 6.2

import PackageDescription

/// Warnings are errors, in every target of this package.
let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

/// Tests drive what is optimized, and need not be so themselves: to optimize them takes longer than to run them.
let quick: [SwiftSetting] = [.unsafeFlags(["-Onone"])]

/// `make fuzz` sets it: what reads bytes that nobody vouches for is then built for libFuzzer, and for nothing else.
let isFuzzing = Context.environment["REDOUBT_FUZZ"] != nil
let sanitizers = "-sanitize=fuzzer,address"

/// A target of the library: what it may import stands here, and Tests/ArchitectureTests holds it.
func module(_ name: String, _ dependencies: [Target.Dependency], isFuzzed: Bool = false) -> Target {
    let instrumented: [SwiftSetting] = isFuzzing && isFuzzed ? [.unsafeFlags([sanitizers])] : []
    return .target(name: name, dependencies: dependencies, swiftSettings: strict + instrumented)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict + quick)
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// The program that libFuzzer drives; it exists for `make fuzz` only.
let fuzzing: [Target] =
    !isFuzzing
    ? []
    : [
        .systemLibrary(name: "CFuzzer", path: "Tests/Fuzz/CFuzzer"),
        .executableTarget(
            name: "redoubt-fuzz",
            dependencies: ["CFuzzer", "FuzzOracle"],
            path: "Tests/Fuzz",
            exclude: [
                "CFuzzer", "README.md", "age.dict", "compression.dict", "corpus", "rdb.dict", "resp.dict", "run.sh",
            ],
            swiftSettings: strict + [.unsafeFlags([sanitizers])],
            linkerSettings: [.unsafeFlags([sanitizers, "-use-ld=lld"])]
        ),
    ]

/// What `make bench-objects` and `make bench-encryption` measure with, and `make age-vectors` runs; they exist for that
/// only.
let benches: [Target] =
    Context.environment["REDOUBT_BENCH"] == nil
    ? []
    : [
        .executableTarget(
            name: "redoubt-object",
            dependencies: ["ByteStreams", "CLinux", "ObjectStorage"],
            path: "Tests/ObjectBench",
            swiftSettings: strict
        ),
        .executableTarget(
            name: "redoubt-age",
            dependencies: ["Age", "CLinux"],
            path: "Tests/AgeBench",
            swiftSettings: strict
        ),
        .executableTarget(
            name: "redoubt-age-vectors",
            dependencies: ["AgeVectors"],
            path: "Tests/AgeVectorRunner",
            swiftSettings: strict
        ),
    ]

let package = Package(
    name: "redoubt",
    products: [
        .executable(name: "redoubt", targets: ["redoubt"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        // System libraries: a module map and a shim of only what Swift cannot call.
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        // C of our own, where Swift has no word for an instruction.
        .target(name: "CChecksum", cSettings: [.treatAllWarnings(as: .error)]),

        // Level 0: the one error type, which every level speaks.
        module("Failures", []),

        // Level 1: values and formats, no I/O.
        module("ByteStreams", ["Failures", crypto]),
        module("Compression", ["Failures", "CZlib", "CZstd"], isFuzzed: true),
        module("Age", ["Failures", crypto, cryptoExtras], isFuzzed: true),
        module("RedisProtocol", ["Failures"], isFuzzed: true),
        module("RDB", ["CChecksum", crypto], isFuzzed: true),
        module("Programs", [subprocess]),

        // Level 2: the only importer of libcurl.
        module("HTTPTransport", ["Failures", "ByteStreams", "CCurl"]),

        // Level 3: speaking to servers, where bytes rest, the folder of a server.
        module(
            "ObjectStorage",
            [
                "Failures", "ByteStreams", "HTTPTransport", "Programs", crypto, cryptoExtras, logging, nioPosix,
                systemPackage,
            ]
        ),
        module(
            "RedisClient",
            [
                "Failures", "ByteStreams", "RedisProtocol", "RDB", crypto, logging, nioCore, nioPosix, nioSSL,
                systemPackage,
            ]
        ),
        module("DataDirectory", ["Failures", "RDB", "RedisProtocol", "CLinux", nioPosix, systemPackage]),

        module(
            "Kubernetes",
            ["Failures", "ByteStreams", "HTTPTransport", "Programs", logging, nioPosix, systemPackage, yams]
        ),

        // What watchers are told of a run.
        module("Telemetry", ["Failures", "HTTPTransport", crypto, systemPackage]),

        // Level 4: what a backup set is.
        module("Catalog", ["Failures", "Age", "ByteStreams", "ObjectStorage", "RDB", crypto, logging]),

        // Level 5: the use-cases, each readable top to bottom in one file.
        module(
            "Operations",
            [
                "Failures", "Age", "ByteStreams", "Compression", "RedisProtocol", "RDB", "ObjectStorage",
                "RedisClient", "DataDirectory", "Kubernetes", "Catalog", logging, nioPosix, subprocess, systemPackage,
            ]
        ),

        // Level 6: one file a subcommand; options, output, exit codes.
        module(
            "Commands",
            [
                "Failures", "Age", "ByteStreams", "RedisProtocol", "RDB", "Compression", "ObjectStorage",
                "RedisClient", "DataDirectory", "HTTPTransport", "Kubernetes", "Catalog", "Operations", "Telemetry",
                "CLinux", argumentParser, logging,
                systemPackage,
            ]
        ),
        .executableTarget(name: "redoubt", dependencies: ["Commands"], swiftSettings: strict),

        // The real servers, stores and faults that tests use: started on free ports, ended by the tests.
        .target(
            name: "TestParts",
            dependencies: [nioCore, nioPosix, nioSSL],
            path: "Tests/TestParts",
            swiftSettings: strict
        ),

        // What must hold whatever the bytes are, for `make fuzz` and for the tests that replay its corpus.
        .target(
            name: "FuzzOracle",
            dependencies: ["Age", "Compression", "Failures", "RDB", "RedisProtocol"],
            path: "Tests/FuzzOracle",
            swiftSettings: strict
        ),

        // The test vectors of the age format that others made, for `make age-vectors`, and ours, for the tests.
        .target(
            name: "AgeVectors",
            dependencies: ["Age", "CZlib", "Failures", crypto],
            path: "Tests/AgeVectors",
            swiftSettings: strict
        ),

        tests("ArchitectureTests", []),
        tests("FailuresTests", ["Failures"]),
        tests("TestPartsTests", ["TestParts"]),
        tests("ByteStreamsTests", ["ByteStreams", "Failures"]),
        tests("CompressionTests", ["Compression", "Failures", "TestParts"]),
        tests("AgeTests", ["Age", "AgeVectors", "Failures", "TestParts", crypto, cryptoExtras]),
        tests("RedisProtocolTests", ["RedisProtocol", "Failures"]),
        tests("RDBTests", ["RDB", "CChecksum", "FuzzOracle", "TestParts", crypto]),
        tests("HTTPTransportTests", ["HTTPTransport", "ByteStreams", "Failures", "TestParts"]),
        tests(
            "ObjectStorageTests",
            ["ObjectStorage", "ByteStreams", "HTTPTransport", "Failures", "TestParts", logging, systemPackage]
        ),
        tests(
            "RedisClientTests",
            ["RedisClient", "RedisProtocol", "RDB", "ByteStreams", "Failures", "TestParts", logging]
        ),
        tests("DataDirectoryTests", ["DataDirectory", "RDB", "Failures", "TestParts", systemPackage]),
        tests(
            "KubernetesTests",
            ["Kubernetes", "ByteStreams", "Failures", "HTTPTransport", "TestParts", logging],
            exclude: ["Fixtures"]
        ),
        tests(
            "CatalogTests",
            ["Catalog", "ObjectStorage", "RDB", "ByteStreams", "Failures", "TestParts", logging]
        ),
        tests(
            "OperationsTests",
            [
                "Operations", "Age", "Catalog", "Compression", "DataDirectory", "Kubernetes", "ObjectStorage",
                "RedisClient", "RedisProtocol", "RDB", "Failures", "TestParts", logging,
            ]
        ),
        tests("TelemetryTests", ["Telemetry", "Failures", "HTTPTransport", "TestParts"]),
        tests("CommandsTests", ["Catalog", "Commands", "Failures", "TestParts", argumentParser]),
        tests("EndToEndTests", ["TestParts"]),
    ] + fuzzing + benches
)
