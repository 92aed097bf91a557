import Base
import Frames
import Glibc

/// A read that a thread of its own works at, which until its end is the only one to use the connection.
final class PostgresReading: @unchecked Sendable {
    private let connection: PostgresConnection
    private var body: (() throws -> Frame)?
    private var thread: pthread_t?
    /// Written by the thread, read once it has ended.
    private var result: Result<Frame, any Error>?

    /// - Parameter body: what the thread does.
    init(_ connection: PostgresConnection, _ body: @escaping () throws -> Frame) throws {
        self.connection = connection
        self.body = body
        // Signals are the main thread's.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { context in
                Unmanaged<PostgresReading>.fromOpaque(context!).takeUnretainedValue().work()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        if failure == 0 {
            self.thread = thread
        } else {
            // Then it is read here and now.
            work()
            Unmanaged.passUnretained(self).release()
        }
    }

    private func work() {
        do { result = .success(try body!()) } catch { result = .failure(error) }
        // What it holds is large.
        body = nil
    }

    /// Waits for the frame, which is not kept here.
    func frame() throws -> Frame {
        join()
        defer { result = nil }
        return try result!.get()
    }

    /// Ends the read. Harmless after its end.
    func close() {
        connection.isUnwanted.store(true, ordering: .relaxed)
        join()
        connection.isUnwanted.store(false, ordering: .relaxed)
    }

    private func join() {
        connection.reading = nil
        guard let thread else { return }
        // The thread sees Ctrl-C and the time limit itself.
        pthread_join(thread, nil)
        self.thread = nil
        Unmanaged.passUnretained(self).release()
    }
}
