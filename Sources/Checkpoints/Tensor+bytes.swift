import Base
import Tensors

extension Tensor {
    /// The elements as a file stores them: row-major little-endian float32.
    func withStoredBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        // Every machine this builds for is little-endian.
        try withExtendedLifetime(self) { try body(UnsafeRawBufferPointer(storage.elements)) }
    }
}
