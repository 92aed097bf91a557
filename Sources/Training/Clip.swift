import Base
import CKernels
import Tensors

/// Gradient clipping by total norm.
public enum Clip {
    /// The Euclidean norm of the gradients of all parameters, summed over fixed pieces in order.
    public static func norm(_ parameters: [Tensor]) throws -> Double {
        let size = 1 << 16
        var pieces: [(gradient: Tensor, start: Int, count: Int)] = []
        for parameter in parameters {
            guard let gradient = parameter.grad else { continue }
            for start in stride(from: 0, to: gradient.count, by: size) {
                pieces.append((gradient, start, min(size, gradient.count - start)))
            }
        }
        var squares = [Double](repeating: 0, count: pieces.count)
        try squares.withUnsafeMutableBufferPointer { squares in
            let slots = squares.baseAddress
            try Threads.run(pieces.count) { index in
                let piece = pieces[index]
                slots![index] = tt_sum_squares(piece.gradient.pointer + piece.start, piece.count)
            }
        }
        return squares.reduce(0, +).squareRoot()
    }

    /// The factor that scales gradients of norm `norm` to at most `limit`, by PyTorch's formula.
    public static func factor(norm: Double, limit: Double) -> Float { Float(min(1, limit / (norm + 1e-6))) }

    /// Scales the gradients so that their norm is at most `limit`.
    ///
    /// - Returns: the norm before clipping.
    /// - Throws: `train.non_finite` when the norm is not finite; the gradients do not change then.
    public static func gradients(_ parameters: [Tensor], limit: Double) throws -> Double {
        guard limit > 0 else {
            throw TrainingError("train.value", "clip_grad_norm: the limit \(limit) is not positive")
        }
        let norm = try norm(parameters)
        guard norm.isFinite else {
            throw TrainingError("train.non_finite", "clip_grad_norm: the norm of the gradients is \(norm)")
        }
        let factor = factor(norm: norm, limit: limit)
        if factor < 1 {
            // Copies: two parameters may share a gradient.
            for parameter in parameters {
                guard let scaled = parameter.grad?.clone() else { continue }
                tt_scale(scaled.pointer, factor, scaled.count)
                parameter.grad = scaled
            }
        }
        return norm
    }
}
