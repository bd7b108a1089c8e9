// SPDX-License-Identifier: Apache-2.0

/// Who speaks S3, and what is different there. What is not said here is learned from the answers.
package enum S3Provider: String, Sendable, Hashable, CaseIterable {
    case aws
    case r2
    case b2
    case minio
    case seaweedfs
    case gcs
    case wasabi
    case digitalocean
    case scaleway
    case hetzner
    case ceph
    case other

    /// What an upload does otherwise than at AWS.
    package struct Facts: Sendable, Hashable {
        /// The end of its host names, where the provider has only its own.
        var hostSuffix: String?
        /// Whether the bucket stands in the path, when nobody says it.
        var isPathStyle = true
        /// The region to sign for, when nobody says one.
        var regionUsual = "us-east-1"
        /// How many parts may be on their way at a time.
        var partsInFlightMax: Int?
        /// Whether it knows `If-None-Match: *` and `If-Match` on writes; what does not is looked at before and after.
        var knowsConditions = true
        /// Whether it keeps `x-amz-checksum-…`. It is sent all the same when the URL of the store says so.
        var knowsChecksums = true
    }

    /// Sources: "S3 API compatibility" and "Conditional operations", Cloudflare R2 documentation; "S3-Compatible API"
    /// and its page of each call, Backblaze; "Simple migration from Amazon S3" and "HTTP headers for the XML API",
    /// Google Cloud Storage; "Spaces S3 Compatibility", DigitalOcean; "List of supported actions", Hetzner.
    package var facts: Facts {
        switch self {
        case .aws: Facts(hostSuffix: ".amazonaws.com")
        // More than two or three parts of an upload at a time are refused with 429; all but the last must be equal in
        // size, as they are here everywhere.
        case .r2: Facts(hostSuffix: ".r2.cloudflarestorage.com", regionUsual: "auto", partsInFlightMax: 2)
        case .b2: Facts(hostSuffix: ".backblazeb2.com")
        // Conditions are on generations, in headers x-goog-…, which may not stand beside x-amz-….
        case .gcs:
            Facts(
                hostSuffix: "storage.googleapis.com",
                regionUsual: "auto",
                knowsConditions: false,
                knowsChecksums: false
            )
        case .wasabi: Facts(hostSuffix: ".wasabisys.com")
        case .digitalocean: Facts(hostSuffix: ".digitaloceanspaces.com", isPathStyle: false, knowsChecksums: false)
        case .scaleway: Facts(hostSuffix: ".scw.cloud")
        case .hetzner: Facts(hostSuffix: ".your-objectstorage.com", knowsChecksums: false)
        case .ceph: Facts(knowsChecksums: false)
        case .minio, .seaweedfs, .other: Facts()
        }
    }

    /// Whose a host is, by its name.
    /// - Parameter host: in lower case, perhaps with a port.
    package init(host: String) {
        let name = host.split(separator: ":").first.map(String.init) ?? ""
        self =
            Self.allCases.first { provider in
                guard let suffix = provider.facts.hostSuffix else { return false }
                return name.hasSuffix(suffix) || name.hasSuffix(".amazonaws.com.cn") && provider == .aws
            } ?? .other
    }
}
