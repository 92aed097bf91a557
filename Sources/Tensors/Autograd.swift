import Base
import CKernels

/// A node of the graph: a recorded operation, its inputs and its backward function.
final class Node {
    /// From the gradients of the results (nil where there is none) and the inputs to the gradients of the inputs.
    typealias Backward = (_ gradients: [Tensor?], _ inputs: [Tensor]) throws -> [Tensor?]

    let operation: String
    /// Later operations have greater numbers: descending order is a topological order for the backward pass.
    let sequenceNumber = tt_next_sequence_number()
    let outputs: Int
    private(set) var inputs: [Tensor]
    private(set) var backward: Backward?
    private var saved: [Saved]

    /// A tensor that `backward` reads, with the version it had in the operation.
    private struct Saved {
        let shape: [Int]
        let storage: Buffer<Float>
        let version: Int
    }

    /// `backward` must not hold tensors of the graph (it gets the inputs); it may hold their storage.
    /// - Parameter saving: the inputs and results whose elements `backward` reads.
    init(
        _ operation: String, inputs: [Tensor], outputs: Int = 1, saving: [Tensor] = [], backward: @escaping Backward
    ) {
        self.operation = operation
        self.inputs = inputs
        self.outputs = outputs
        self.backward = backward
        saved = saving.map { Saved(shape: $0.shape, storage: $0.storage, version: $0.storage.version) }
    }

    /// - Throws: `tensor.grad` when a saved tensor was changed in place.
    func checkSaved() throws {
        guard let changed = saved.first(where: { $0.storage.version != $0.version }) else { return }
        throw TensorError(
            "tensor.grad",
            "backward: a tensor of shape \(TensorError.describe(changed.shape)) that \(operation) needs for its gradient was "
                + "changed in place after \(operation) used it; call backward before the change, or change a clone",
            details: [("operation", .string(operation))])
    }

    /// Releases everything saved for the backward pass.
    func release() {
        backward = nil
        saved = []
        unlink(&inputs)
    }

    /// Releases long graphs in a loop: a chain of deinits would overflow the stack.
    private func unlink(_ inputs: inout [Tensor]) {
        var pending = inputs
        inputs = []
        while var tensor = pending.popLast() {
            guard tensor.node != nil, isKnownUniquelyReferenced(&tensor) else { continue }
            guard var node = tensor.node.take(), isKnownUniquelyReferenced(&node) else { continue }
            pending.append(contentsOf: node.inputs)
            node.inputs = []
        }
    }

    deinit { unlink(&inputs) }
}

extension Tensor {
    /// Attaches the operation that made `self` if gradients are recorded and an input requires one.
    /// - Parameter saving: those of the inputs and `self` whose elements `backward` reads; they must not change before.
    func recorded(
        _ operation: String, _ inputs: [Tensor], saving: @autoclosure () -> [Tensor] = [],
        _ backward: @escaping Node.Backward
    ) -> Tensor {
        guard Gradients.areRecorded, inputs.contains(where: \.requiresGrad) else { return self }
        node = Node(operation, inputs: inputs, saving: saving(), backward: backward)
        requiresGrad = true
        return self
    }

    /// Adds the gradient of `self` to `grad` of every leaf it was computed from, and releases the graph.
    ///
    /// - Parameter gradient: of the objective with respect to `self`; 1 by default for a single element.
    /// - Throws: `tensor.grad` when there is no graph, when it was used before, and when a saved tensor was changed in
    ///   place; `interrupted`.
    public func backward(_ gradient: Tensor? = nil) throws {
        guard requiresGrad else {
            throw TensorError(
                "tensor.grad", "backward: the tensor was not computed from anything that requires a gradient")
        }
        if let gradient, gradient.shape != shape {
            throw TensorError.shape("backward", shape, gradient.shape, "the gradient has another shape")
        }
        guard gradient != nil || count == 1 else {
            throw TensorError.shape("backward", shape, "not a single element: give the gradient to start from")
        }
        let leaves = try BackwardPass.run(from: self, gradient ?? Tensor(shape: shape, repeating: 1))
        for (leaf, gradient) in leaves { leaf.addGradient(gradient) }
    }

    func addGradient(_ gradient: Tensor) {
        guard let sum = grad else {
            grad = gradient
            return
        }
        // Not in place: others may hold the old `grad`.
        let total = Tensor(uninitialized: shape)
        tt_binary(TT_ADD, total.pointer, sum.pointer, 1, gradient.pointer, 1, count)
        grad = total
    }
}

/// One backward pass from one tensor, through the operations in descending order.
struct BackwardPass {
    private struct Slot {
        var gradient: Tensor
        /// The pass owns this sum and may add to it in place.
        var isOwn: Bool
    }

    private var slots: [ObjectIdentifier: [Slot?]] = [:]
    private var leafSlots: [ObjectIdentifier: Slot] = [:]
    private var leaves: [Tensor] = []

    /// The gradients of the leaves below `root`, in the order they were reached.
    static func run(from root: Tensor, _ gradient: Tensor) throws -> [(Tensor, Tensor)] {
        var pass = BackwardPass()
        pass.add(gradient, to: root)
        for node in try nodes(below: root).reversed() {
            try Interrupt.check()
            guard let slots = pass.slots.removeValue(forKey: ObjectIdentifier(node)) else { continue }
            guard let backward = node.backward else { throw used(node) }
            let inputs = node.inputs
            let gradients = try backward(slots.map { $0?.gradient }, inputs)
            for (input, gradient) in zip(inputs, gradients) {
                if let gradient, input.requiresGrad { pass.add(gradient, to: input) }
            }
            node.release()
        }
        return pass.leaves.map { ($0, pass.leafSlots[ObjectIdentifier($0)]!.gradient) }
    }

    private static func used(_ node: Node) -> TensorError {
        TensorError("tensor.grad", "backward: the graph through \(node.operation) was used by an earlier backward")
    }

    /// The operations `root` was computed by, ascending.
    private static func nodes(below root: Tensor) throws -> [Node] {
        guard let first = root.node else { return [] }
        var seen: Set<ObjectIdentifier> = [ObjectIdentifier(first)]
        var found = [first]
        var next = 0
        while next < found.count {
            guard found[next].backward != nil else { throw used(found[next]) }
            try found[next].checkSaved()
            for input in found[next].inputs {
                if let node = input.node, seen.insert(ObjectIdentifier(node)).inserted { found.append(node) }
            }
            next += 1
        }
        return found.sorted { $0.sequenceNumber < $1.sequenceNumber }
    }

    private mutating func add(_ gradient: Tensor, to tensor: Tensor) {
        if let node = tensor.node {
            let key = ObjectIdentifier(node)
            let before = slots[key, default: Array(repeating: nil, count: node.outputs)][tensor.output]
            slots[key, default: Array(repeating: nil, count: node.outputs)][tensor.output] =
                BackwardPass.sum(before, gradient)
        } else {
            let key = ObjectIdentifier(tensor)
            if leafSlots[key] == nil { leaves.append(tensor) }
            leafSlots[key] = BackwardPass.sum(leafSlots[key], gradient)
        }
    }

    private static func sum(_ slot: Slot?, _ gradient: Tensor) -> Slot {
        guard let slot else { return Slot(gradient: gradient, isOwn: false) }
        if slot.isOwn {
            tt_accumulate(slot.gradient.pointer, gradient.pointer, gradient.count)
            return slot
        }
        let total = Tensor(uninitialized: gradient.shape)
        tt_binary(TT_ADD, total.pointer, slot.gradient.pointer, 1, gradient.pointer, 1, gradient.count)
        return Slot(gradient: total, isOwn: true)
    }
}
