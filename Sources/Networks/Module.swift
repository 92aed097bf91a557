import Base
import Synchronization
import Tensors

/// The input of a module: a dense tensor (…, in), or rows of a feature matrix (for a sparse first layer).
public enum ModuleInput {
    case tensor(Tensor)
    case rows(Rows)

    /// Converts rows to a dense tensor.
    public func dense() throws -> Tensor {
        switch self {
        case .tensor(let tensor): tensor
        case .rows(let rows): try rows.toDense()
        }
    }
}

/// A parameter of a module, under PyTorch's name.
public struct Parameter {
    /// Such as `0.weight` in a sequential.
    public let name: String
    /// The live tensor, in the layer's layout.
    public let tensor: Tensor
    /// The layer stores the transpose of PyTorch's parameter; `state` and `load` use PyTorch's layout.
    public let isTransposed: Bool

    public init(name: String, tensor: Tensor, isTransposed: Bool = false) {
        self.name = name
        self.tensor = tensor
        self.isTransposed = isTransposed
    }
}

/// A layer, or a nested set of layers: a function of one input with learned parameters.
open class Module {
    /// Dropout is active in training mode only. New modules are in training mode.
    public private(set) var isTraining = true

    public init() {}

    /// The result for `input`; recorded for `backward` unless gradients are off.
    open func forward(_ input: ModuleInput) throws -> Tensor {
        fatalError("\(type(of: self)) does not say what it does")
    }

    public final func forward(_ input: Tensor) throws -> Tensor { try forward(.tensor(input)) }

    /// The submodules, by name, in order.
    open var children: [(name: String, module: Module)] { [] }

    /// Parameters of this module without its submodules.
    open var ownParameters: [Parameter] { [] }

    /// Draws this module's own parameters, and seeds its dropout, from streams of `seed` named below `name`.
    open func seed(_ seed: UInt64, name: String) {}

    /// All parameters, in order, with `prefix` before their names.
    public final func parameters(prefix: String = "") -> [Parameter] {
        ownParameters.map { Parameter(name: prefix + $0.name, tensor: $0.tensor, isTransposed: $0.isTransposed) }
            + children.flatMap { $0.module.parameters(prefix: "\(prefix)\($0.name).") }
    }

    /// Sets the mode of this module and its submodules.
    public final func train(_ training: Bool = true) {
        isTraining = training
        for child in children { child.module.train(training) }
    }

    /// Sets the mode of this module alone.
    final func restore(_ training: Bool) { isTraining = training }

    /// Reinitialises every parameter from `seed`. Each has its own random stream, named by its path below `name`, so
    /// its values depend on nothing else, such as the order in which modules were made.
    public final func initialize(seed: UInt64, name: String = "") {
        let prefix = name.isEmpty ? "" : name + "."
        self.seed(seed, name: prefix)
        for child in children { child.module.initialize(seed: seed, name: prefix + child.name) }
    }

    private static let made = Atomic<Int>(0)

    /// A unique name for modules without one: `module1`, `module2`, in the order they are made.
    public static func freshName() -> String { "module\(made.add(1, ordering: .relaxed).newValue)." }

    /// Every module of the tree, this one first.
    public final var all: [Module] { [self] + children.flatMap(\.module.all) }
}

/// Random streams of one seed, by name.
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

    /// The type of the module and its sizes.
    var summary: String {
        switch self {
        case let layer as Linear: "Linear(\(layer.inputs), \(layer.outputs))"
        case let layer as SparseLinear: "SparseLinear(\(layer.inputs), \(layer.outputs))"
        case let layer as Dropout: "Dropout(\(layer.probability))"
        default: "\(type(of: self))"
        }
    }
}
