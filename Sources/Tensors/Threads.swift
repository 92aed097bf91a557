import Base
import CKernels
import Glibc
import Synchronization

/// The threads of native work.
///
/// Work is cut into pieces that do not depend on the number of threads, and sums over pieces are taken in the order of
/// the pieces, so results are equal for any number.
public enum Threads {
    private static let chosen = Atomic<Int>(initial())

    /// `TT_THREADS`, else the number of processors.
    public static var count: Int {
        get { chosen.load(ordering: .relaxed) }
        set { chosen.store(max(1, min(newValue, 256)), ordering: .relaxed) }
    }

    /// The set of kernels in use: "avx512", "avx2" or "portable".
    public static var kernels: String { String(cString: tt_kernel_set_name()) }

    private static func initial() -> Int {
        if let text = getenv("TT_THREADS"), let number = Int(String(cString: text)), number > 0 {
            return min(number, 256)
        }
        return max(1, min(Int(tt_processor_count()), 256))
    }

    /// Runs `body(0)` … `body(count - 1)` in parallel and returns when all are done. Throws the first error by index.
    /// May be nested: idle threads join the inner call.
    public static func run(_ count: Int, _ body: (Int) throws -> Void) throws {
        guard count > 1, Threads.count > 1 else {
            for index in 0..<count { try body(index) }
            return
        }
        var failures = [(any Error)?](repeating: nil, count: count)
        try withoutActuallyEscaping(body) { body in
            try failures.withUnsafeMutableBufferPointer { failures in
                let job = Job(body: body, failures: failures.baseAddress!, noGrad: tt_no_grad_depth())
                withExtendedLifetime(job) {
                    tt_parallel(
                        count, Int32(Threads.count),
                        { context, index in
                            let job = Unmanaged<Job>.fromOpaque(context!).takeUnretainedValue()
                            let own = tt_no_grad_depth()
                            tt_no_grad_add(job.noGrad - own)
                            defer { tt_no_grad_add(own - job.noGrad) }
                            do { try job.body(index) } catch { job.failures[index] = error }
                        }, Unmanaged.passUnretained(job).toOpaque())
                }
                for failure in failures { if let failure { throw failure } }
            }
        }
    }

    private final class Job {
        let body: (Int) throws -> Void
        let failures: UnsafeMutablePointer<(any Error)?>
        let noGrad: Int32

        init(body: @escaping (Int) throws -> Void, failures: UnsafeMutablePointer<(any Error)?>, noGrad: Int32) {
            self.body = body
            self.failures = failures
            self.noGrad = noGrad
        }
    }
}

/// Whether operations record the graph for `backward`. A property of the thread, inherited by its workers.
public enum Gradients {
    @inlinable public static var areRecorded: Bool { tt_no_grad_depth() == 0 }

    /// Runs `body` without recording.
    public static func off<T>(_ body: () throws -> T) rethrows -> T {
        tt_no_grad_add(1)
        defer { tt_no_grad_add(-1) }
        return try body()
    }
}
