// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import Logging
import Programs

/// Gets credentials from where they come from.
struct CredentialLoader: Sendable {
    let tokenService: TokenService
    /// What a program gets, and where the name of this machine stands.
    let environment: [String: String]
    let clock: RequestClock
    let logger: Logger
    /// The longest time in which nothing moves.
    let noProgressSeconds: Int

    private static let serviceSecondsMax = 15

    init(tokenService: TokenService, configuration: StoreConfiguration) {
        self.tokenService = tokenService
        environment = configuration.environment
        clock = configuration.clock
        logger = configuration.logger
        noProgressSeconds = min(configuration.noProgressSeconds, Self.serviceSecondsMax)
    }

    /// - Throws: what the source answered, with what to do about it.
    func load(_ origin: CredentialOrigin) async throws -> LoadedCredentials {
        let attempt = Self.attempt(origin)
        switch origin {
        case .keys(let credentials, _): return LoadedCredentials(credentials: credentials, endsAtSeconds: nil)
        case .webIdentity(let identity): return try await load(identity, attempt)
        case .role(let role, let base):
            let known = try await load(base)
            var loaded = try await load(role, known.credentials, attempt)
            loaded.secrets += known.secrets + known.credentials.secrets
            return loaded
        case .process(let process): return try await load(process, attempt)
        case .container(let endpoint): return try await load(endpoint, attempt)
        case .instance(let metadata):
            return try await InstanceMetadataExchange(metadata: metadata, clock: clock, logger: logger).load()
        }
    }

    static func attempt(_ origin: CredentialOrigin) -> String { "get credentials for S3 from \(origin.name)" }
}

// MARK: Containers

extension CredentialLoader {
    private static let containerTriesMax = 4
    private static let containerDeadlineSeconds = 5

    private func load(_ endpoint: ContainerEndpoint, _ attempt: String) async throws -> LoadedCredentials {
        let token = SharedValue<String?>(nil)
        // A proxy could not reach what is beside us, and must not see the token.
        var http = HTTPClientConfiguration()
        http.proxy = .off
        http.caFile = endpoint.url.lowercased().hasPrefix("https://") ? environment["AWS_CA_BUNDLE"] : nil
        let deadlines = HTTPDeadlines(
            connectSeconds: min(2, noProgressSeconds),
            noProgressSeconds: min(Self.containerDeadlineSeconds, noProgressSeconds)
        )
        do {
            var loaded = try await withHTTPClient(http) { client in
                let exchange = CredentialExchange(
                    client: client,
                    clock: clock,
                    logger: logger,
                    attempt: attempt,
                    triesMax: Self.containerTriesMax
                )
                return try await exchange.perform {
                    let authorization = try await onBlockingThread { try endpoint.authorization() }
                    token.value = authorization
                    return HTTPRequest(
                        method: "GET",
                        url: endpoint.url,
                        headers: [("Accept", "application/json")]
                            + (authorization.map { [("Authorization", $0)] } ?? []),
                        deadlines: deadlines
                    )
                } read: { response in
                    try read(response, attempt, hiding: token.value)
                }
            }
            loaded.secrets = [token.value].compactMap(\.self)
            return loaded
        } catch let failure as Failure where failure.hint == nil {
            throw Failure(failure.code, failure.message, cause: failure.cause, hint: Self.hint(endpoint))
        }
    }

    private func read(
        _ response: HTTPResponse,
        _ attempt: String,
        hiding token: String?
    ) throws -> CredentialExchange.Reading<LoadedCredentials> {
        let status = response.head.status
        guard status == 200 else {
            let text = String(decoding: response.body.prefix(4096), as: UTF8.self)
            let words = AnswerText.quotable(text, hiding: [token].compactMap(\.self))
            let isPassing = CredentialExchange.isPassing(status)
            let failure = Failure(
                isPassing ? .storeUnavailable : .authenticationFailed,
                "\(attempt): it answered \(status)" + (words.map { " (\($0))" } ?? "")
            )
            if isPassing { return .passing(failure) }
            throw failure
        }
        do {
            let skew = response.head.skewSeconds(against: clock)
            return .done(try CredentialDocument(parsing: response.body).credentials(skewSeconds: skew))
        } catch {
            return .passing(Failure(.protocolViolation, "\(attempt): it answered 200, and \(error.reason)"))
        }
    }

    private static func hint(_ endpoint: ContainerEndpoint) -> String {
        if endpoint.url.hasPrefix("http://169.254.170.23") || endpoint.url.hasPrefix("http://[fd00:ec2::23]") {
            return "The EKS Pod Identity Agent must run on the node (a DaemonSet of that add-on), a NetworkPolicy must "
                + "allow its port 80, and the service account of this pod needs an association: `aws eks "
                + "list-pod-identity-associations`."
        }
        return "\(endpoint.variable) names it, and whoever runs this container sets that: look at its task role."
    }
}

// MARK: Programs

extension CredentialLoader {
    private static let processSecondsMax = 60

    private func load(_ process: CredentialProcess, _ attempt: String) async throws -> LoadedCredentials {
        let program = Program(
            command: process.words[0],
            arguments: Array(process.words.dropFirst()),
            environment: environment
        )
        switch try await ending(of: program, attempt) {
        case .printed(let output):
            do {
                let document = try CredentialDocument(parsing: output)
                guard document.version == 1 else {
                    throw CredentialsMalformed(reason: "its Version is not 1")
                }
                return try document.credentials()
            } catch let malformed as CredentialsMalformed {
                throw Failure(
                    .authenticationFailed,
                    "\(attempt): what it printed cannot be used: \(malformed.reason)",
                    hint:
                        "It must print one JSON object with Version 1, AccessKeyId, SecretAccessKey, and SessionToken "
                        + "and Expiration if there are any. Run it by hand, with the arguments that the profile has."
                )
            }
        case .failed(let status, let errors):
            let secrets = Program.secrets(
                // Shorter ones would strike out half of each sentence.
                environment: environment.filter { $0.value.utf8.count >= 4 }.map { (name: $0.key, value: $0.value) },
                arguments: program.arguments
            )
            let words = Program.shown(errors, hiding: secrets)
            throw Failure(
                .authenticationFailed,
                "\(attempt): it ended with \(status)" + (words.isEmpty ? "" : ": \(words)"),
                hint: "Run it by hand to see more: it may want a login that has run out."
            )
        case .timeOver:
            throw Failure(
                .timeout,
                "\(attempt): it did not end within \(Self.processSecondsMax) s",
                hint: "Run it by hand: it may wait for a login or for the network."
            )
        }
    }

    private func ending(of program: Program, _ attempt: String) async throws -> Program.Ending {
        do {
            return try await program.run { try await clock.sleep(.seconds(Self.processSecondsMax)) }
        } catch let refusal as Program.Refusal {
            switch refusal {
            case .tooMuchOutput:
                throw Failure(.authenticationFailed, "\(attempt): it printed more than \(Program.outputBytesMax) bytes")
            case .notFound:
                throw Failure(
                    .configuration,
                    "\(attempt): there is no such program",
                    hint: "Install it where the PATH of this process leads, or name its path in the profile. The image "
                        + "of redoubt has no AWS tools in it."
                )
            case .notStarted(let error):
                throw Failure(.configuration, "\(attempt): it cannot be started", cause: error)
            }
        }
    }
}
