// SPDX-License-Identifier: Apache-2.0

import Age
import Failures

/// A file of the age format gives the same bytes at every split, or the same refusal; what is encrypted comes back, and
/// with any bit of it changed it does not.
struct AgeOracle {
    /// Made for this, and for nothing else.
    private static let identity = "AGE-SECRET-KEY-1E3N0WP0K55T8LX47EF9NV4F6W4AYS29DR74E57WV2KTM2FQHD2FSH05LK2"

    let seed: FuzzSeed
    let data: [UInt8]

    func check() throws(Contradiction) {
        let keyring: AgeKeyring
        do {
            keyring = AgeKeyring(identities: [try AgeIdentity(parsing: Self.identity)])
        } catch {
            throw Contradiction("the identity is not read: \(error)")
        }
        guard seed.variant & 1 == 0 else { return try checkThereAndBack(keyring) }
        let whole = outcome([data], keyring)
        let inChunks = outcome(seed.chunks(of: data), keyring)
        guard whole == inChunks else { throw Contradiction("as a whole \(whole), in chunks \(inChunks)") }
    }

    private struct Outcome: Equatable {
        var plain: [UInt8] = []
        var refusal: Failure.Code?
    }

    private func outcome(_ chunks: [[UInt8]], _ keyring: AgeKeyring) -> Outcome {
        var decryptor = AgeDecryptor()
        var outcome = Outcome()
        do {
            for chunk in chunks {
                outcome.plain += try decryptor.decrypt(chunk)
                if decryptor.lockedHeader != nil { outcome.plain += try decryptor.open(with: keyring) }
            }
            outcome.plain += try decryptor.finish()
        } catch {
            outcome.refusal = (error as? Failure)?.code ?? .unclassified
        }
        return outcome
    }

    private func checkThereAndBack(_ keyring: AgeKeyring) throws(Contradiction) {
        var file: [UInt8] = []
        do {
            var encryptor = try AgeEncryptor(for: AgeLock(recipients: keyring.identities.map(\.recipient)))
            for chunk in seed.chunks(of: data) { file += try encryptor.encrypt(chunk) }
            file += try encryptor.finish()
        } catch {
            throw Contradiction("\(data.count) bytes are not encrypted: \(error)")
        }
        guard outcome(seed.chunks(of: file), keyring) == Outcome(plain: data) else {
            throw Contradiction("what was encrypted does not come back")
        }
        guard let place = data.first.map({ Int($0) * 257 % file.count }) else { return }
        file[place] ^= 1
        guard outcome(seed.chunks(of: file), keyring).refusal != nil else {
            throw Contradiction("with byte \(place) changed it is read all the same")
        }
    }
}
