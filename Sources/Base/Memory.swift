import Glibc

/// The memory of the machine, and what this process may have of it.
public enum Memory {
    /// Bytes of physical memory; where the system does not tell, no limit.
    public static let physicalBytes: Int = {
        let (bytes, overflow) = sysconf(Int32(_SC_PHYS_PAGES)).multipliedReportingOverflow(
            by: sysconf(Int32(_SC_PAGESIZE)))
        return overflow || bytes <= 0 ? Int.max : bytes
    }()

    /// The least of the machine's memory, of what the process's control groups may have, and of `ulimit -v`.
    public static let limit = Limit.least([
        Limit(bytes: physicalBytes, source: "the machine has"), Limit.ofControlGroup(), Limit.ofAddresses(),
    ])

    /// Below it nothing is asked of the system. To write to so much takes thousands of times longer than to ask.
    @usableFromInline static let large = 64 << 20

    /// To be called before memory is taken whose size somebody else chose: a script, a file, a product of what they
    /// chose. A smaller block is none of this function's business.
    ///
    /// - Parameter what: begins the message: `zeros: (1024, 1024)`.
    /// - Throws: `memory` when there is not as much to be had.
    @inlinable public static func check(_ count: Int, of size: Int, for what: @autoclosure () -> String) throws {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
        if !overflow, bytes < large { return }
        try checkLarge(overflow ? .max : bytes, what())
    }

    @usableFromInline static func checkLarge(_ bytes: Int, _ what: String) throws {
        guard bytes <= limit.bytes else {
            throw tooMuch(bytes, what, "\(limit.source) \(text(limit.bytes))", limit.bytes)
        }
        guard let free = leastFree(), bytes > free else { return }
        // Blocks that are kept for others are no loss.
        LargePages.drain()
        guard let free = leastFree(), bytes > free else { return }
        throw tooMuch(bytes, what, "\(text(free)) are free at the moment", free)
    }

    private static func tooMuch(_ bytes: Int, _ what: String, _ reason: String, _ limit: Int) -> MemoryError {
        MemoryError(
            message:
                "\(what): \(bytes == .max ? "more bytes than can be counted" : text(bytes)) of memory needed, \(reason); "
                + "ask for less, or work in parts",
            details: [("bytes", .int(Int64(bytes))), ("limit", .int(Int64(limit)))])
    }

    /// What the machine has without taking it from somebody, and what the process's own limit leaves.
    private static func leastFree() -> Int? {
        let machine = SystemFile.read("/proc/meminfo").flatMap(free(inMachine:))
        guard let own = SystemFile.read("/proc/self/statm").flatMap(used(inProcess:)) else { return machine }
        let left = max(0, limit.bytes - (limit.countsAddresses ? own.addresses : own.resident))
        return min(machine ?? left, left)
    }

    /// `MemAvailable` and `SwapFree` of /proc/meminfo, in bytes.
    static func free(inMachine text: String) -> Int? {
        var found: [Substring: Int] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, words[2] == "kB", let kilobytes = Int(words[1]), kilobytes < 1 << 50 else {
                continue
            }
            found[words[0]] = kilobytes << 10
        }
        return found["MemAvailable:"].map { $0 + (found["SwapFree:"] ?? 0) }
    }

    /// Pages of addresses, then resident ones: the first two numbers of /proc/self/statm.
    private static func used(inProcess text: String) -> (addresses: Int, resident: Int)? {
        let pages = text.split(separator: " ").prefix(2).compactMap { Int($0) }
        let size = sysconf(Int32(_SC_PAGESIZE))
        return pages.count == 2 ? (pages[0] &* size, pages[1] &* size) : nil
    }

    /// `1.5 GB`, `800 MB`.
    static func text(_ bytes: Int) -> String {
        let units = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"]
        var (size, unit) = (Double(bytes), 0)
        while size >= 999.5, unit + 1 < units.count {
            size /= 1000
            unit += 1
        }
        let tenths = Int((size * 10).rounded())
        return unit == 0 || tenths >= 100 || tenths % 10 == 0
            ? "\(Int(size.rounded())) \(units[unit])" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    /// One thing that bounds the process's memory.
    public struct Limit: Sendable {
        public let bytes: Int
        /// As in "the machine has 16 GB".
        let source: String
        /// Addresses count, not pages in use.
        var countsAddresses = false

        static func least(_ limits: [Limit?]) -> Limit { limits.compactMap { $0 }.min { $0.bytes < $1.bytes }! }

        /// `ulimit -v`.
        static func ofAddresses() -> Limit? {
            var limit = rlimit()
            guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0,
                let bytes = Int(exactly: limit.rlim_cur)
            else { return nil }
            return Limit(bytes: bytes, source: "ulimit -v allows", countsAddresses: true)
        }

        /// The least limit of the process's control group and those around it.
        /// - Parameter root: where `/` is.
        static func ofControlGroup(root: String = "") -> Limit? {
            var bytes: [Int] = []
            for line in (SystemFile.read("\(root)/proc/self/cgroup") ?? "").split(separator: "\n") {
                // `0::/path` of version 2, `5:cpu,memory:/path` of version 1.
                let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
                guard parts.count == 3 else { continue }
                let (folder, file) =
                    parts[1].isEmpty
                    ? ("\(root)/sys/fs/cgroup", "memory.max")
                    : ("\(root)/sys/fs/cgroup/memory", "memory.limit_in_bytes")
                guard parts[1].isEmpty || parts[1].split(separator: ",").contains("memory") else { continue }
                // Inside of a container the path may be that of the outside; its own group is then the top.
                var group = String(parts[2])
                while true {
                    // Without a limit: `max`, or a number near 2^63.
                    let text = SystemFile.read("\(folder)\(group)/\(file)")?.split(separator: "\n").first
                    if let number = text.flatMap({ Int($0) }), number > 0, number < 1 << 60 { bytes.append(number) }
                    guard let slash = group.lastIndex(of: "/") else { break }
                    group = String(group[..<slash])
                }
            }
            return bytes.min().map { Limit(bytes: $0, source: "the control group may have") }
        }
    }
}

/// There is less memory than somebody asked for: code `memory`, with the bytes of both.
public struct MemoryError: TTError {
    public let code = "memory"
    public let message: String
    public let details: [(String, Value)]
}

/// The short texts in which the kernel says how things are.
enum SystemFile {
    /// The first 4096 bytes; nil where there is no such file.
    static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { piece in
            let count = Glibc.read(descriptor, piece.baseAddress, piece.count)
            return count < 0 ? nil : String(decoding: piece.prefix(count), as: UTF8.self)
        }
    }
}
