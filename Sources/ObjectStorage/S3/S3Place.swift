// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// Where a bucket is: the region that requests are signed for, and where they go.
package struct S3Place: Sendable, Hashable {
    package let region: String
    package let endpoint: S3Endpoint
    /// Whether somebody said the region; then an answer does not change it.
    let isRegionGiven: Bool
    /// Whether the store said where the bucket is.
    private(set) var isFound = false

    init(region: String, endpoint: S3Endpoint, isRegionGiven: Bool) {
        self.region = region
        self.endpoint = endpoint
        self.isRegionGiven = isRegionGiven
    }

    /// Whether a text can be the name of a region. It becomes a part of a host name of AWS, and of nothing else (F55).
    package static func isRegion(_ text: String) -> Bool {
        ObjectKey.isValid(component: text) && text.utf8.count <= 64 && !text.contains(".")
    }

    /// Where the bucket is, as the store says: the region that it names, at AWS's own endpoint of that region. At an
    /// endpoint that somebody named, requests still go there, and are signed for the region.
    ///
    /// What the answer names as a host or as a URL is not looked at.
    /// - Returns: `nil` when the answer says nothing new, or nobody asked for it.
    package func found(region theirs: String?, byRedirect isRedirect: Bool) -> S3Place? {
        guard !isRegionGiven, let theirs, Self.isRegion(theirs) else { return nil }
        // Several requests were under way, and another one was answered first.
        if theirs == region { return isFound ? self : nil }
        guard !isFound else { return nil }
        let there = endpoint.inRegion(theirs)
        guard there != nil || !isRedirect else { return nil }
        var place = S3Place(region: theirs, endpoint: there ?? endpoint, isRegionGiven: false)
        place.isFound = true
        return place
    }
}
