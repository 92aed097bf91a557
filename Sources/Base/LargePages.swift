import CSystem
import Glibc
import Synchronization

/// Blocks of some megabytes in pages of two: they come with far fewer page faults, and reading here and there in them
/// misses the processor's page table less.
///
/// A block that is given back is kept for others, because the system clears every page it hands out, and a virtual
/// machine's host has to find it first. What is kept never makes the process larger than blocks in use have made it before.
public enum LargePages {
    /// Bytes from which on the rounding does not matter.
    @inlinable public static var worthwhile: Int { 2 << 20 }
    private static let size = 2 << 20
    /// Bytes that are kept at most.
    private static let keptAtMost = 512 << 20

    private struct Blocks {
        var used: [Int: Int] = [:]
        /// Those of `used` that still grow; they count from when they are trimmed.
        var reserved: [Int: Int] = [:]
        /// The oldest first; no two are neighbours.
        var kept: [(address: Int, bytes: Int)] = []
        var usedBytes = 0
        var keptBytes = 0
        var mostUsed = 0
    }

    private static let blocks = Mutex(Blocks())

    @usableFromInline static func allocate(_ bytes: Int) -> UnsafeMutableRawPointer {
        let bytes = (bytes + size - 1) / size * size
        return blocks.withLock { blocks in
            blocks.usedBytes += bytes
            blocks.mostUsed = max(blocks.mostUsed, blocks.usedBytes)
            let fits = blocks.kept.indices.filter { blocks.kept[$0].bytes >= bytes }
            if let best = fits.min(by: { blocks.kept[$0].bytes < blocks.kept[$1].bytes }) {
                let block = blocks.kept[best]
                if block.bytes > bytes {
                    blocks.kept[best] = (block.address + bytes, block.bytes - bytes)
                } else {
                    blocks.kept.remove(at: best)
                }
                blocks.keptBytes -= bytes
                blocks.used[block.address] = bytes
                return UnsafeMutableRawPointer(bitPattern: block.address)!
            }
            release(&blocks, to: blocks.mostUsed - blocks.usedBytes)
            guard let memory = map(bytes) else { fatalError("out of memory: \(bytes) bytes") }
            blocks.used[Int(bitPattern: memory)] = bytes
            return memory
        }
    }

    /// Room to grow into: addresses that cost nothing until they are written to. `trim` ends the growth. Where the system
    /// does not give so many it is a block of `least`.
    @usableFromInline static func reserve(_ bytes: Int, least: Int) -> (memory: UnsafeMutableRawPointer, bytes: Int) {
        let bytes = (bytes + size - 1) / size * size
        return blocks.withLock { blocks in
            guard let memory = map(bytes) else { return nil }
            blocks.used[Int(bitPattern: memory)] = bytes
            blocks.reserved[Int(bitPattern: memory)] = bytes
            return (memory, bytes)
        } ?? (allocate(least), least)
    }

    /// Gives the unused rest of a reserved block back.
    /// - Returns: false when the block is none.
    @usableFromInline static func trim(_ memory: UnsafeMutableRawPointer, to bytes: Int) -> Bool {
        let address = Int(bitPattern: memory)
        let bytes = max((bytes + size - 1) / size, 1) * size
        return blocks.withLock { blocks in
            guard let reserved = blocks.reserved.removeValue(forKey: address) else { return false }
            if bytes < reserved { munmap(memory + bytes, reserved - bytes) }
            blocks.used[address] = min(bytes, reserved)
            blocks.usedBytes += min(bytes, reserved)
            blocks.mostUsed = max(blocks.mostUsed, blocks.usedBytes)
            return true
        }
    }

    /// Whether an address may be one of ours; other blocks hardly ever begin at a large page.
    @inlinable @inline(__always) static func mayOwn(_ memory: UnsafeMutableRawPointer) -> Bool {
        Int(bitPattern: memory) & ((2 << 20) - 1) == 0
    }

    @usableFromInline static func deallocate(_ memory: UnsafeMutableRawPointer) {
        let isForeign = blocks.withLock { blocks in
            guard let bytes = blocks.used.removeValue(forKey: Int(bitPattern: memory)) else { return true }
            if blocks.reserved.removeValue(forKey: Int(bitPattern: memory)) != nil {
                munmap(memory, bytes)
                return false
            }
            blocks.usedBytes -= bytes
            blocks.keptBytes += bytes
            var (address, length) = (Int(bitPattern: memory), bytes)
            if let before = blocks.kept.firstIndex(where: { $0.address + $0.bytes == address }) {
                address = blocks.kept[before].address
                length += blocks.kept.remove(at: before).bytes
            }
            if let behind = blocks.kept.firstIndex(where: { $0.address == address + length }) {
                length += blocks.kept.remove(at: behind).bytes
            }
            blocks.kept.append((address, length))
            release(&blocks, to: keptAtMost)
            return false
        }
        if isForeign { memory.deallocate() }
    }

    /// Gives what is kept back to the system, of smaller blocks too.
    public static func drain() {
        blocks.withLock { blocks in release(&blocks, to: 0) }
        tt_trim_memory()
    }

    /// Gives what was kept longest back to the system, until no more than `most` bytes are kept.
    private static func release(_ blocks: inout Blocks, to most: Int) {
        while blocks.keptBytes > most, let block = blocks.kept.first {
            let bytes = min(block.bytes, blocks.keptBytes - most)
            munmap(UnsafeMutableRawPointer(bitPattern: block.address), bytes)
            blocks.keptBytes -= bytes
            if bytes < block.bytes {
                blocks.kept[0] = (block.address + bytes, block.bytes - bytes)
            } else {
                blocks.kept.removeFirst()
            }
        }
    }

    /// Fresh memory that begins at a large page.
    private static func map(_ bytes: Int) -> UnsafeMutableRawPointer? {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let memory = mmap(nil, bytes + size, PROT_READ | PROT_WRITE, flags, -1, 0), memory != MAP_FAILED else {
            return nil
        }
        let start = (Int(bitPattern: memory) + size - 1) / size * size
        let before = start - Int(bitPattern: memory)
        if before > 0 { munmap(memory, before) }
        munmap(memory + before + bytes, size - before)
        // A wish, which the system may ignore.
        madvise(memory + before, bytes, MADV_HUGEPAGE)
        return memory + before
    }
}
