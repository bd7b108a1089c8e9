// SPDX-License-Identifier: Apache-2.0

import Commands
import Failures
import Testing

struct EnvironmentLayerTests {
    private static let options: [String: [EnvironmentLayer.Option]] = [
        "backup": [
            .init(name: "to", takesValue: true, isRepeating: false),
            .init(name: "endpoint", takesValue: true, isRepeating: true),
            .init(name: "part-size", takesValue: true, isRepeating: false),
            .init(name: "dry-run", takesValue: false, isRepeating: false),
            .init(name: "recipient", takesValue: true, isRepeating: true),
        ],
        "copy": [
            .init(name: "to", takesValue: true, isRepeating: false),
            .init(name: "recipient", takesValue: true, isRepeating: true),
            .init(name: "recipients-file", takesValue: true, isRepeating: true),
        ],
    ]

    @Test(arguments: [
        (["backup"], ["REDOUBT_TO": "file:///a"], ["backup", "--to=file:///a"]),
        (["backup", "--to", "file:///b"], ["REDOUBT_TO": "file:///a"], ["backup", "--to", "file:///b"]),
        (["backup", "--to=file:///b"], ["REDOUBT_TO": "file:///a"], ["backup", "--to=file:///b"]),
        (["backup", "x"], ["REDOUBT_PART_SIZE": "9"], ["backup", "--part-size=9", "x"]),
        (
            ["backup"], ["REDOUBT_ENDPOINT": "redis://a redis://b"],
            ["backup", "--endpoint=redis://a", "--endpoint=redis://b"]
        ),
        (["backup"], ["REDOUBT_DRY_RUN": "true"], ["backup", "--dry-run"]),
        (["backup"], ["REDOUBT_DRY_RUN": "0"], ["backup"]),
        (["backup"], ["REDOUBT_TO": ""], ["backup"]),
        (["backup"], ["TO": "file:///a", "REDOUBT_UNKNOWN": "x"], ["backup"]),
        (["list"], ["REDOUBT_TO": "file:///a"], ["list"]),
        (["backup"], ["REDOUBT_RECIPIENT": "age1"], ["backup", "--recipient=age1"]),
        (
            ["copy"], ["REDOUBT_TO": "file:///a", "REDOUBT_RECIPIENT": "age1", "REDOUBT_RECIPIENTS_FILE": "/r"],
            ["copy", "--to=file:///a"]
        ),
        (["copy", "--recipient", "age1b"], ["REDOUBT_RECIPIENT": "age1a"], ["copy", "--recipient", "age1b"]),
        ([], ["REDOUBT_TO": "file:///a"], []),
    ])
    func theLineWinsOverTheEnvironment(line: [String], environment: [String: String], expected: [String]) throws {
        #expect(try EnvironmentLayer.apply(to: line, environment: environment, options: Self.options) == expected)
    }

    @Test func whatACommandPassesOverIsNamed() {
        let environment = ["REDOUBT_RECIPIENT": "age1", "REDOUBT_RECIPIENTS_FILE": "", "REDOUBT_TO": "file:///a"]
        #expect(EnvironmentLayer.passedOver(by: "copy", in: environment) == ["REDOUBT_RECIPIENT"])
        #expect(EnvironmentLayer.passedOver(by: "backup", in: environment) == [])
    }

    /// Whoever watches keeps no run from being made, and no server from starting.
    @Test(
        arguments: [
            (["PING_URL": "no url"], [], ["REDOUBT_PING_URL"]),
            (["PUSHGATEWAY": "gateway:9091", "PING_URL": "https://a/b"], [], ["REDOUBT_PUSHGATEWAY"]),
            (["PING_URL": "https://a/b", "PING_URL_FILE": "/f"], [], ["REDOUBT_PING_URL_FILE"]),
            (["PING_URL": "https://a/b"], ["ping-url-file"], ["REDOUBT_PING_URL"]),
            (["PING_URL": "no url", "PING_URL_FILE": "/f"], [], ["REDOUBT_PING_URL"]),
            (["WEBHOOK_SECRET_FILE": "/f"], [], ["REDOUBT_WEBHOOK_SECRET_FILE"]),
            (["WEBHOOK_SECRET_FILE": "/f"], ["webhook"], []),
            (
                ["WEBHOOK": "ftp://a", "WEBHOOK_SECRET_FILE": "/f"], [],
                ["REDOUBT_WEBHOOK", "REDOUBT_WEBHOOK_SECRET_FILE"]
            ),
            (["METRICS_FILE": "/folder/"], [], ["REDOUBT_METRICS_FILE"]),
            (["PING_URL": ""], [], []),
            (["PING_URL": "no url"], ["ping-url"], []),
        ] as [([String: String], Set<String>, Set<String>)]
    )
    func whatNobodyCanFollowIsPassedOver(says: [String: String], typed: Set<String>, without: Set<String>) {
        let environment = Dictionary(uniqueKeysWithValues: says.map { ("REDOUBT_\($0.key)", $0.value) })
        let (followable, remarks) = MonitoringOptions.followable(environment, typed: typed)
        #expect(Set(environment.keys).subtracting(followable.keys) == without)
        #expect(remarks.count == without.count && !remarks.joined().contains("no url"), "\(remarks)")
    }

    @Test func aSwitchThatIsNeitherTrueNorFalseIsRefused() {
        let failure = #expect(throws: Failure.self) {
            try EnvironmentLayer.apply(
                to: ["backup"],
                environment: ["REDOUBT_DRY_RUN": "maybe"],
                options: Self.options
            )
        }
        #expect(failure?.code == .usage)
    }
}
