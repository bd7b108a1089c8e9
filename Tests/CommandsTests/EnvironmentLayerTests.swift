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
