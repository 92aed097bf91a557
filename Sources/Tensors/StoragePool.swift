import Base
import Synchronization

/// A free list of tensor memory by size class: every training step needs the same blocks, and gets them without system
/// calls and page faults.
public enum StoragePool {
    /// The most bytes kept for reuse; blocks beyond it are freed.
    static let limit = 256 << 20
    /// Larger blocks are not kept: they are rare, and rarely reused.
    static let largestKept = 64 << 20

    private struct Blocks: ~Copyable {
        var free = [[UnsafeMutableRawPointer]](repeating: [], count: 256)
        var held = 0
        var made = 0
    }

    private static let blocks = Mutex(Blocks())

    /// Uninitialised memory for `count` elements, aligned to 64 bytes.
    public static func buffer<T: BitwiseCopyable>(_ type: T.Type = T.self, count: Int) -> Buffer<T> {
        let (index, bytes) = sizeClass(count * MemoryLayout<T>.stride)
        let reused = blocks.withLock { blocks in
            guard let found = blocks.free[index].popLast() else {
                blocks.made += 1
                return UInt(0)
            }
            blocks.held -= bytes
            return UInt(bitPattern: found)
        }
        let memory =
            UnsafeMutableRawPointer(bitPattern: reused)
            ?? UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        return Buffer(adopting: memory.bindMemory(to: T.self, capacity: count), count: count) { take($0, $1) }
    }

    /// The number of blocks allocated from the system so far.
    public static var made: Int { blocks.withLock { $0.made } }

    /// Frees all blocks kept for reuse.
    public static func drain() {
        let addresses = blocks.withLock { blocks in
            let all = blocks.free.flatMap { $0.map { UInt(bitPattern: $0) } }
            blocks.free = Array(repeating: [], count: 256)
            blocks.held = 0
            return all
        }
        for address in addresses { UnsafeMutableRawPointer(bitPattern: address)?.deallocate() }
    }

    private static func take(_ memory: UnsafeMutableRawPointer, _ byteCount: Int) {
        let (index, bytes) = sizeClass(byteCount)
        let address = UInt(bitPattern: memory)
        let kept = blocks.withLock { blocks in
            guard bytes <= largestKept, blocks.held + bytes <= limit else { return false }
            blocks.free[index].append(UnsafeMutableRawPointer(bitPattern: address)!)
            blocks.held += bytes
            return true
        }
        if !kept { memory.deallocate() }
    }

    /// Four classes to each power of two, from 256 bytes up: at most a quarter of a block is wasted.
    static func sizeClass(_ byteCount: Int) -> (index: Int, bytes: Int) {
        let units = max(4, (byteCount + 63) / 64)
        let power = Int.bitWidth - 1 - units.leadingZeroBitCount
        let step = 1 << (power - 2)
        let quarters = (units + step - 1) / step  // 4...8, and 8 is the next power's 4
        return ((power - 2) * 4 + quarters - 4, quarters * step * 64)
    }
}
