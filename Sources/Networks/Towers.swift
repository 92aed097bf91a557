import Base
import Tensors

/// Runs independent modules in parallel.
public enum Towers {
    /// The results of `modules[i](inputs[i])`, each module on its own thread, in the forward and backward pass. Equal
    /// to running them sequentially, which modules that share a layer do.
    public static func forward(_ modules: [Module], _ inputs: [ModuleInput]) throws -> [Tensor] {
        guard modules.count == inputs.count else {
            throw NetworkError("nn.input", "parallel: \(modules.count) modules and \(inputs.count) inputs")
        }
        let layers = modules.flatMap { Set($0.all.map { ObjectIdentifier($0) }) }
        guard Set(layers).count == layers.count else {
            return try zip(modules, inputs).map { try $0.forward($1) }
        }
        let tensors = inputs.map { input -> [Tensor] in
            if case .tensor(let tensor) = input { return [tensor] }
            return []
        }
        return try Parallel.run(inputs: tensors) { index, own in
            try modules[index].forward(own.first.map { .tensor($0) } ?? inputs[index])
        }
    }

    /// Runs a module over all rows of a feature matrix in evaluation mode, in parallel blocks; no gradients.
    ///
    /// - Parameter block: rows at a time; results depend neither on it nor on the number of threads.
    /// - Returns: (n, e)
    public static func embed(_ module: Module, _ matrix: FeatureMatrix, block: Int = 4096) throws -> Tensor {
        try embed(module, count: matrix.count, block: block) { start, length in
            .rows(try matrix.rows(try Indices(range: start..<(start + length))))
        }
    }

    /// The same for some rows of a feature matrix, in their order.
    public static func embed(_ module: Module, _ rows: Rows, block: Int = 4096) throws -> Tensor {
        try embed(module, count: rows.count, block: block) { start, length in
            .rows(try rows.matrix.rows(rows.indices.slice(start: start, length: length)))
        }
    }

    /// The same for the rows of a dense tensor (n, in).
    public static func embed(_ module: Module, _ rows: Tensor, block: Int = 4096) throws -> Tensor {
        guard rows.rank == 2 else { throw TensorError.shape("embed", rows.shape, "needs rows (n, in)") }
        return try embed(module, count: rows.shape[0], block: block) { start, length in
            .tensor(try rows.slice(0, start: start, length: length))
        }
    }

    private static func embed(
        _ module: Module, count: Int, block: Int, _ input: (_ start: Int, _ length: Int) throws -> ModuleInput
    ) throws -> Tensor {
        guard block > 0 else { throw NetworkError("nn.value", "embed: block is \(block), not positive") }
        let block = min(block, max(count, 1))
        let modes = module.all.map { ($0, $0.isTraining) }
        module.train(false)
        defer { for (module, training) in modes { module.restore(training) } }
        return try Gradients.off {
            // An empty input gives the width of the result.
            let none = try module.forward(try input(0, 0))
            guard none.rank == 2 else {
                throw TensorError.shape("embed", none.shape, "the module does not give rows")
            }
            let width = none.shape[1]
            _ = try Tensor.checkedElements([count, width], "embed")
            let result = Tensor(uninitialized: [count, width])
            try Threads.run((count + block - 1) / block) { piece in
                try Interrupt.check()
                let start = piece * block
                let part = try module.forward(try input(start, min(block, count - start)))
                (result.pointer + start * width).update(from: part.pointer, count: part.count)
            }
            return result
        }
    }
}
