import Base
import Frames
import Glibc
import Testing

@testable import Parquet

/// Damaged files give an error or other values, never a trap, a hang or a huge allocation.
@Suite struct HostileTests {
    private static let victims = [
        "arrow_none.parquet", "arrow_delta_v2.parquet", "arrow_v2_pages_none.parquet", "arrow_types.parquet",
        "duckdb_uncompressed_v2.parquet", "duckdb_kinds.parquet", "polars_uncompressed.parquet", "arrow_snappy.parquet",
        "arrow_gzip.parquet", "arrow_lz4.parquet", "arrow_zstd.parquet", "arrow_types_delta.parquet",
        "arrow_int96.parquet",
        "polars_nulls.parquet", "duckdb_lz4_raw_v1.parquet",
    ]

    /// TT_FUZZ=20 tries twenty times as many, with other damage each time it is changed.
    private static let effort = getenv("TT_FUZZ").flatMap { Int(String(cString: $0)) } ?? 1

    /// Reads everything that can be read; only this target's, `Frames`' and `Base`'s errors may come out.
    private func readAll(_ bytes: [UInt8]) throws {
        let buffer = Buffer(bytes)
        do {
            let file = try ParquetFile(
                path: "damaged.parquet",
                source: .memory(PageBytes(bytes: UnsafeRawBufferPointer(buffer.elements), owner: buffer)),
                maxBytes: 1 << 25)
            for column in file.columns {
                do {
                    let frame = try file.read(columns: [column.name])
                    if frame.rowCount > 0, frame.rowCount < 10_000 {
                        _ = frame.columns[0].value(0)
                        _ = frame.columns[0].value(frame.rowCount - 1)
                    }
                } catch let error as ParquetError {
                    #expect(!error.message.isEmpty)
                }
            }
        } catch is ParquetError {
        }
    }

    @Test(arguments: victims) func flippedBytes(_ name: String) throws {
        let original = try bytes(of: Fixtures.path(name))
        var random = Random(seed: 10 + UInt64(Self.effort), stream: UInt64(original.count))
        let footer = Int(original[original.count - 8]) | Int(original[original.count - 7]) << 8 + 8
        for _ in 0..<250 * Self.effort {
            var damaged = original
            for _ in 0...random.below(3) {
                // Half of the damage goes to the footer, where most of the counts and offsets are.
                let at =
                    random.below(2) == 0
                    ? original.count - 1 - random.below(min(footer, original.count)) : random.below(original.count)
                switch random.below(4) {
                case 0: damaged[at] ^= 1 << UInt8(random.below(8))
                case 1: damaged[at] = 0xFF
                case 2: damaged[at] = 0
                default: damaged[at] = UInt8(random.below(256))
                }
            }
            try readAll(damaged)
        }
    }

    /// Damage to page headers and levels, found by where the footer says the chunks are.
    @Test(arguments: victims) func flippedHeaders(_ name: String) throws {
        let original = try bytes(of: Fixtures.path(name))
        let footer = try original.withUnsafeBytes {
            try FileMetadata(source: .memory(PageBytes(bytes: $0, owner: nil)))
        }
        let starts = footer.rowGroups.flatMap(\.columns).flatMap {
            [Int($0.dataPageOffset), Int($0.dictionaryPageOffset ?? $0.dataPageOffset)]
        }
        var random = Random(seed: 20 + UInt64(Self.effort), stream: UInt64(original.count))
        for _ in 0..<250 * Self.effort {
            var damaged = original
            let start = starts[random.below(starts.count)]
            for _ in 0...random.below(2) {
                damaged[min(start + random.below(48), original.count - 1)] = UInt8(random.below(256))
            }
            try readAll(damaged)
        }
    }

    @Test(arguments: victims) func truncated(_ name: String) throws {
        let original = try bytes(of: Fixtures.path(name))
        var random = Random(seed: 30 + UInt64(Self.effort), stream: UInt64(original.count))
        for _ in 0..<60 * Self.effort {
            try readAll(Array(original[..<random.below(original.count)]))
            // A piece is missing but the footer is there.
            let start = random.below(original.count - 8)
            let length = random.below(min(64, original.count - 8 - start)) + 1
            try readAll(Array(original[..<start] + original[(start + length)...]))
        }
    }
}
