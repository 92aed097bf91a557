import Base

/// Independent chains of operations, each on its own thread, in the forward and backward pass.
public enum Parallel {
    /// Runs `chain(i)` for every index and returns the results as part of the caller's graph.
    ///
    /// A chain may use only the inputs passed to it and leaves (parameters). Chains may share only leaves, whose
    /// gradients are added in the order of the chains.
    public static func run(
        inputs: [[Tensor]], _ chain: @escaping (_ index: Int, _ inputs: [Tensor]) throws -> Tensor
    ) throws -> [Tensor] {
        // Each chain is its own graph, with stand-ins for its inputs as leaves.
        let standIns = inputs.map { list in
            list.map { Tensor(shape: $0.shape, storage: $0.storage, requiresGrad: $0.requiresGrad) }
        }
        var ends = [Tensor?](repeating: nil, count: inputs.count)
        try ends.withUnsafeMutableBufferPointer { ends in
            let slots = ends.baseAddress
            try Threads.run(inputs.count) { slots![$0] = try chain($0, standIns[$0]) }
        }
        let results = ends.map { $0!.detach() }
        guard Gradients.areRecorded, ends.contains(where: { $0!.requiresGrad }) else { return results }
        let chains = Chains(ends: ends.map { $0! }, standIns: standIns)
        let node = Node("parallel", inputs: inputs.flatMap { $0 }, outputs: results.count) { gradients, _ in
            try chains.backward(gradients)
        }
        for (index, result) in results.enumerated() where chains.ends[index].requiresGrad {
            result.node = node
            result.output = index
            result.requiresGrad = true
        }
        return results
    }

    private final class Chains {
        let ends: [Tensor]
        let standIns: [[Tensor]]

        init(ends: [Tensor], standIns: [[Tensor]]) {
            self.ends = ends
            self.standIns = standIns
        }

        func backward(_ gradients: [Tensor?]) throws -> [Tensor?] {
            var found = [[(Tensor, Tensor)]](repeating: [], count: ends.count)
            try found.withUnsafeMutableBufferPointer { found in
                let slots = found.baseAddress
                try Threads.run(ends.count) { index in
                    guard let gradient = gradients[index], self.ends[index].requiresGrad else { return }
                    slots![index] = try BackwardPass.run(from: self.ends[index], gradient)
                }
            }
            var sums: [ObjectIdentifier: Tensor] = [:]
            let own = Set(standIns.joined().map { ObjectIdentifier($0) })
            for (leaf, gradient) in found.joined() {
                if own.contains(ObjectIdentifier(leaf)) {
                    sums[ObjectIdentifier(leaf)] = gradient
                } else {
                    leaf.addGradient(gradient)
                }
            }
            return standIns.joined().map { sums[ObjectIdentifier($0)] }
        }
    }
}
