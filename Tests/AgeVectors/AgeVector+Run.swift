// SPDX-License-Identifier: Apache-2.0

import Age
import Crypto
import Failures

extension AgeVector {
    /// What is not as the vector says; `nil` when all of it is, in pieces of every size.
    package func contradiction() -> String? {
        for pieces in Self.pieceSizes where pieces == Int.max || (pieces...pieces * 1_000_000).contains(file.count) {
            let found: Outcome
            do {
                found = try outcome(pieces)
            } catch {
                return "its keys are not read: \(error)"
            }
            if let contradiction = contradiction(found) {
                return pieces == Int.max ? contradiction : "in pieces of \(pieces) bytes: \(contradiction)"
            }
        }
        return nil
    }

    private static let pieceSizes = [Int.max, 1, 1000, 65552]

    private struct Outcome {
        var ending: Expectation
        var failure: Failure?
        var digest: String
    }

    private func contradiction(_ found: Outcome) -> String? {
        guard found.ending == expectation else {
            let words = found.failure.map { " (\($0))" } ?? ""
            return "\(expectation.rawValue) is expected, and it ends with \(found.ending.rawValue)\(words)"
        }
        if let payload, payload != found.digest {
            return "it ends with \(found.ending.rawValue) as expected, and gives other bytes before that"
        }
        return nil
    }

    /// Only one passphrase at a time can be given: the first that ends as expected says how it goes.
    private func outcome(_ pieces: Int) throws -> Outcome {
        let identities = try identities.map { try AgeIdentity(parsing: $0) }
        let passphrases: [AgePassphrase?] = try passphrases.map { try AgePassphrase(Array($0.utf8)) }
        let outcomes = (passphrases.isEmpty ? [nil] : passphrases).map { passphrase in
            outcome(AgeKeyring(identities: identities, passphrase: passphrase), pieces)
        }
        return outcomes.first { $0.ending == expectation } ?? outcomes[0]
    }

    private func outcome(_ keyring: AgeKeyring, _ pieces: Int) -> Outcome {
        var (decryptor, digest) = (AgeDecryptor(), SHA256())
        var failure: Failure?
        do {
            for start in stride(from: 0, to: file.count, by: min(pieces, max(1, file.count))) {
                let piece = file[start..<(file.count - start > pieces ? start + pieces : file.count)]
                digest.update(data: try decryptor.decrypt(Array(piece)))
                if decryptor.lockedHeader != nil { digest.update(data: try decryptor.open(with: keyring)) }
            }
            digest.update(data: try decryptor.finish())
        } catch {
            failure = Failure(wrapping: error, attempting: "decrypt")
        }
        return Outcome(
            ending: failure.map(ending) ?? .success,
            failure: failure,
            digest: digest.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        )
    }

    /// The word of the testkit for a failure. Codes say less than it wants to know: what was attempted says the rest.
    private func ending(_ failure: Failure) -> Expectation {
        // What does not begin like armor is taken for a file without, and refused at the same place by another name.
        let isMistaken = isArmored && file.first != UInt8(ascii: "-") && failure.message.hasPrefix("read the header")
        if failure.message.hasPrefix("read the armor") || isMistaken { return .armorFailure }
        if failure.message.hasPrefix("read the header") || failure.code == .unsupported { return .headerFailure }
        if failure.message.hasPrefix("decrypt: the header was changed") { return .codeFailure }
        return failure.code == .cannotDecrypt ? .noMatch : .payloadFailure
    }
}
