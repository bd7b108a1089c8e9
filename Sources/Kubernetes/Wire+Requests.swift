// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

extension EventNote {
    /// An Event of the old kind, `v1`: one that needs neither an action nor a controller.
    var document: JSONValue {
        let time = JSONValue.text(Date(timeIntervalSince1970: Double(timeSeconds)).formatted(.iso8601))
        var about: [String: JSONValue] = [
            "apiVersion": .text(involved.apiVersion), "kind": .text(involved.kind),
            "namespace": .text(involved.namespace), "name": .text(involved.name),
        ]
        about["uid"] = involved.uid.map { .text($0) }
        return .object([
            "apiVersion": .text("v1"),
            "kind": .text("Event"),
            "metadata": .object(["generateName": .text("redoubt-"), "namespace": .text(involved.namespace)]),
            "involvedObject": .object(about),
            "type": .text(type),
            "reason": .text(reason),
            "message": .text(message),
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": .integer(1),
            "source": .object(["component": .text("redoubt")]),
            "reportingComponent": .text("redoubt"),
            "reportingInstance": .text(reportingInstance),
        ])
    }
}

extension AccessQuestion {
    /// A SelfSubjectAccessReview.
    var document: JSONValue {
        var attributes: [String: JSONValue] = [
            "verb": .text(verb), "group": .text(group), "resource": .text(resource), "namespace": .text(namespace),
        ]
        attributes["subresource"] = subresource.map { .text($0) }
        attributes["name"] = name.map { .text($0) }
        return .object([
            "apiVersion": .text("authorization.k8s.io/v1"),
            "kind": .text("SelfSubjectAccessReview"),
            "spec": .object(["resourceAttributes": .object(attributes)]),
        ])
    }
}
