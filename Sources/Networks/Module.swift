import Base
import Synchronization
import Tensors

/// What a module takes: a dense tensor (…, in), or rows of a feature matrix (for a sparse first layer).
public enum ModuleInput {
    case tensor(Tensor)
    case rows(Rows)

    /// Rows become a dense tensor.
    public func dense() throws -> Tensor {
        switch self {
        case .tensor(let tensor): tensor
        case .rows(let rows): try rows.toDense()
        }
    }
}

/// One tensor a module learns, under PyTorch's name.
public struct Parameter {
    /// `0.weight` within a sequential.
    public let name: String
    /// The live tensor, laid out as the layer keeps it.
    public let tensor: Tensor
    /// The layer keeps the transpose of what PyTorch keeps; `state` and `load` exchange PyTorch's layout.
    public let isTransposed: Bool

    public init(name: String, tensor: Tensor, isTransposed: Bool = false) {
        self.name = name
        self.tensor = tensor
        self.isTransposed = isTransposed
    }
}

/// A layer, or layers within layers: a function of one input with parameters to learn.
open class Module {
    /// Dropout works in training mode only. New modules are in training mode.
    public private(set) var isTraining = true

    public init() {}

    /// The result for `input`; recorded for `backward` unless gradients are off.
    open func forward(_ input: ModuleInput) throws -> Tensor {
        fatalError("\(type(of: self)) does not say what it does")
    }

    public final func forward(_ input: Tensor) throws -> Tensor { try forward(.tensor(input)) }

    /// Modules inside this one, by name, in order.
    open var children: [(name: String, module: Module)] { [] }

    /// Parameters of this module alone, not of the ones inside it.
    open var ownParameters: [Parameter] { [] }

    /// Draws this module's own parameters and random choices from `seed`, each from a stream named below `name`.
    open func seed(_ seed: UInt64, name: String) {}

    /// All parameters, in order, under names that start with `prefix`.
    public final func parameters(prefix: String = "") -> [Parameter] {
        ownParameters.map { Parameter(name: prefix + $0.name, tensor: $0.tensor, isTransposed: $0.isTransposed) }
            + children.flatMap { $0.module.parameters(prefix: "\(prefix)\($0.name).") }
    }

    /// Switches dropout on or off, here and in the modules inside.
    public final func train(_ training: Bool = true) {
        isTraining = training
        for child in children { child.module.train(training) }
    }

    /// Sets the mode of this module alone.
    final func restore(_ training: Bool) { isTraining = training }

    /// Draws every parameter anew from `seed`. Each has its own stream, named by its place below `name`: the numbers
    /// depend on nothing else, such as the order in which modules were made.
    public final func initialize(seed: UInt64, name: String = "") {
        let prefix = name.isEmpty ? "" : name + "."
        self.seed(seed, name: prefix)
        for child in children { child.module.initialize(seed: seed, name: prefix + child.name) }
    }

    private static let made = Atomic<Int>(0)

    /// A name nobody else got, for modules that are not told one: `module1`, `module2`, in the order they are made.
    public static func freshName() -> String { "module\(made.add(1, ordering: .relaxed).newValue)." }

    /// Every module of the tree, this one first.
    public final var all: [Module] { [self] + children.flatMap(\.module.all) }
}

/// Streams of one seed, told apart by name.
enum Stream {
    /// FNV-1a.
    static func number(_ name: String) -> UInt64 {
        name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}

extension Module: CustomStringConvertible {
    /// The layers, one a line: `0: Linear(7, 20)`.
    public var description: String { describe(indent: "") }

    private func describe(indent: String) -> String {
        let inner = children.map { "\n\(indent)  \($0.name): " + $0.module.describe(indent: indent + "  ") }
        return summary + inner.joined()
    }

    /// The kind of the module and its sizes.
    var summary: String {
        switch self {
        case let layer as Linear: "Linear(\(layer.inputs), \(layer.outputs))"
        case let layer as SparseLinear: "SparseLinear(\(layer.inputs), \(layer.outputs))"
        case let layer as Dropout: "Dropout(\(layer.probability))"
        default: "\(type(of: self))"
        }
    }
}
