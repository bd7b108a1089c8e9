// SPDX-License-Identifier: Apache-2.0

extension RDBWriter {
    mutating func stream(
        _ name: String,
        _ entries: [ContentModel.Entry],
        _ lastID: [UInt64],
        _ groups: [ContentModel.Group],
        _ form: ContentForm
    ) {
        let version = 1 + form.number % 3
        key([15, 19, 21][version - 1], name)
        let size = 1 + form.number % 4
        let nodes = stride(from: 0, to: entries.count, by: size).map {
            Array(entries[$0..<min($0 + size, entries.count)])
        }
        each(nodes) { rdb, node in
            rdb.string(rawID(node[0].id[0], node[0].id[1]))
            rdb.string(packed(node, form))
        }
        numbers(UInt64(entries.count), lastID[0], lastID[1])
        // What servers guess differs from one to the next.
        if version >= 2 { numbers(0, 0, UInt64(form.number), 0, UInt64(entries.count + form.number)) }
        each(groups) { rdb, group in
            rdb.string(group.name)
            rdb.numbers(group.lastID[0], group.lastID[1])
            if version >= 2 { rdb.length(UInt64(form.number)) }
            rdb.each(group.pending) { rdb, pending in
                rdb.raw(rawID(pending.id[0], pending.id[1]))
                rdb.littleEndian(pending.time)
                rdb.length(pending.deliveries)
            }
            rdb.each(form.number % 2 == 0 ? group.consumers : group.consumers.reversed()) { rdb, consumer in
                rdb.string(consumer)
                for _ in 0..<(version >= 3 ? 2 : 1) { rdb.littleEndian(Int64(1_700_000_000_000 + form.number)) }
                rdb.each(group.pending.filter { $0.consumer == consumer }) { rdb, pending in
                    rdb.raw(rawID(pending.id[0], pending.id[1]))
                }
            }
        }
    }
}

/// A node: entries that have the names of the first one as such, others with names of their own; and in some forms a
/// deleted entry among them.
private func packed(_ entries: [ContentModel.Entry], _ form: ContentForm) -> [UInt8] {
    let shared = entries[0].fields.map(\.name)
    let hasDeleted = form.number % 3 == 0
    var elements = ["\(entries.count)", hasDeleted ? "1" : "0", "\(shared.count)"] + shared + ["0"]
    for (index, entry) in entries.enumerated() {
        let names = entry.fields.map(\.name)
        let difference = [entry.id[0] &- entries[0].id[0], entry.id[1] &- entries[0].id[1]].map {
            "\(Int64(bitPattern: $0))"
        }
        if names == shared, form.number % 2 == 0 || index == 0 {
            elements += ["2"] + difference + entry.fields.map(\.value) + ["\(names.count + 3)"]
        } else {
            elements += ["0"] + difference + ["\(names.count)"] + entry.fields.flatMap { [$0.name, $0.value] }
            elements.append("\(2 * names.count + 4)")
        }
    }
    if hasDeleted { elements += ["3", "0", "0"] + shared.map { _ in "gone" } + ["\(shared.count + 3)"] }
    return listpack(elements)
}
