import Base
import CLuaBridge

/// A profile that is being taken of what a state runs.
public final class Profiler {
    private let native: OpaquePointer
    private let state: LuaState

    /// Starts; time counts from here.
    /// - Throws: `profile.busy`: there is one at a time in a process.
    public init(_ state: LuaState) throws {
        guard let native = tt_profile_start(state.context) else {
            throw BaseError("profile.busy", "a profile is being taken already, or there is no thread left for one")
        }
        self.native = native
        self.state = state
    }

    deinit {
        _ = tt_profile_stop(native, false)
        tt_profile_free(native)
    }

    /// Ends it.
    /// - Parameter exiting: the process is about to end, and the state may be closed by Lua's own `os.exit`.
    public func stop(exiting: Bool = false) -> Profile {
        Profile(tt_profile_stop(native, exiting).pointee, functionNames: state.names)
    }
}

/// Where time went. All times are wall time in nanoseconds.
public struct Profile {
    public struct Line {
        /// As Lua names chunks: `@file.lua`, or another name.
        public let source: String
        public let number: Int
        /// Spent on the line itself and in native calls made from it, `native` being these.
        public var own: Int64 = 0
        public var native: Int64 = 0
        /// With the functions it called.
        public var total: Int64 = 0
    }

    public struct Native {
        public let name: String
        /// Nil for the C functions of Lua itself, whose time is sampled as that of Lua code.
        public var count: Int64?
        /// Without the Lua functions it called.
        public var own: Int64 = 0
        public var total: Int64 = 0
    }

    public let duration: Int64
    /// Parts of the duration; what is missing went into looking.
    public let lua: Int64
    public let native: Int64
    public let samples: Int64
    /// Those with any time, most of its own first.
    public let lines: [Line]
    public let natives: [Native]
    /// `main.lua:12;f lua/x.lua:33;[native] tt.json.encode 1234`: stacks and their own microseconds, one a line.
    public let folded: String

    init(_ result: tt_profile_result, functionNames: [String]) {
        duration = result.end - result.start
        lua = result.lua
        native = result.native
        samples = result.samples
        let tree = Tree(result)
        lines = tree.lines()
        natives = (tree.luaFunctions() + Profile.functions(result, functionNames))
            .sorted { ($1.own, $0.name) < ($0.own, $1.name) }
        folded = tree.folded(unplaced: result.unplaced)
    }

    /// Several functions may go by one name.
    private static func functions(_ result: tt_profile_result, _ names: [String]) -> [Native] {
        var found: [String: Native] = [:]
        for number in 0..<Int(result.function_count) where result.functions[number].count > 0 {
            let function = result.functions[number]
            var native = found[names[number]] ?? Native(name: names[number], count: 0)
            native.count! += function.count
            native.own += function.`self`
            native.total += function.total
            found[names[number]] = native
        }
        return Array(found.values)
    }
}

/// The stacks that were seen.
private struct Tree {
    struct Label {
        let text: String
        let source: String
        let line: Int
        let kind: tt_label_kind
        var isLua: Bool { kind == TT_LABEL_LUA }
    }

    let nodes: UnsafeBufferPointer<tt_profile_node>
    let labels: [Label]
    /// Own time of a node and all above it in the stack.
    let inclusive: [Int64]

    init(_ result: tt_profile_result) {
        nodes = UnsafeBufferPointer(start: result.nodes, count: Int(result.node_count))
        labels = (0..<Int(result.label_count)).map { i in
            let label = result.labels[i]
            return Label(
                text: String(cString: label.text), source: String(cString: label.source), line: Int(label.line),
                kind: label.kind)
        }
        var sums = nodes.map(\.`self`)
        for index in nodes.indices.reversed() where nodes[index].parent >= 0 {
            sums[Int(nodes[index].parent)] += sums[index]
        }
        inclusive = sums
    }

    private func label(_ node: Int) -> Label { labels[Int(nodes[node].label)] }
    private func parent(_ node: Int) -> Int? { nodes[node].parent < 0 ? nil : Int(nodes[node].parent) }

    /// The nearest node below `node` in the stack, itself included, of which `wanted` is true.
    private func nearest(_ node: Int?, where wanted: (Label) -> Bool) -> Int? {
        var place = node
        while let current = place {
            if wanted(label(current)) { return current }
            place = parent(current)
        }
        return nil
    }

    func lines() -> [Profile.Line] {
        struct Key: Hashable {
            let source: String
            let line: Int
        }
        var found: [Key: Profile.Line] = [:]
        for node in nodes.indices {
            // Native time is the line's that called; a line that calls itself is counted once.
            guard let place = nearest(node, where: \.isLua) else { continue }
            let label = label(place)
            let key = Key(source: label.source, line: label.line)
            var line = found[key] ?? Profile.Line(source: label.source, number: label.line)
            line.own += nodes[node].`self`
            if place != node {
                line.native += nodes[node].`self`
            } else if nearest(parent(node), where: { $0.isLua && $0.source == key.source && $0.line == key.line })
                == nil
            {
                line.total += inclusive[node]
            }
            found[key] = line
        }
        return found.values.filter { $0.own > 0 }
            .sorted { ($1.own, $0.source, $0.number) < ($0.own, $1.source, $1.number) }
    }

    /// C functions of Lua itself.
    func luaFunctions() -> [Profile.Native] {
        var found: [String: Profile.Native] = [:]
        for node in nodes.indices where label(node).kind == TT_LABEL_C {
            let name = label(node).source
            var native = found[name] ?? Profile.Native(name: name)
            native.own += nodes[node].`self`
            if nearest(parent(node), where: { $0.kind == TT_LABEL_C && $0.source == name }) == nil {
                native.total += inclusive[node]
            }
            found[name] = native
        }
        return Array(found.values)
    }

    func folded(unplaced: Int64) -> String {
        var text = ""
        for node in nodes.indices {
            let microseconds = (nodes[node].`self` + 500) / 1000
            guard microseconds > 0 else { continue }
            var frames: [String] = []
            var place: Int? = node
            while let current = place {
                frames.append(label(current).text)
                place = parent(current)
            }
            text += "\(frames.reversed().joined(separator: ";")) \(microseconds)\n"
        }
        if unplaced >= 500 { text += "(between samples) \((unplaced + 500) / 1000)\n" }
        return text
    }
}
