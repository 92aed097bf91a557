import Base
import Checkpoints
import LuaHost
import Tensors

/// `tt.checkpoint`: PyTorch archives and safetensors files.
enum CheckpointModule {
    static var module: LuaModule {
        LuaModule(
            "tt.checkpoint",
            functions: [
                // checkpoint.load(path) -> any
                "load": { call in
                    let value = try Checkpoint.load(try call[1].string())
                    push(value, to: call)
                    return 1
                },
                // checkpoint.save(path, value)
                "save": { call in
                    let path = try call[1].string()
                    if call[2].isNil { throw call.argumentError(2, "value expected, got nil") }
                    var growth = Growth()
                    try Checkpoint.save(try read(call[2], depth: 0, &growth), to: path)
                    return 0
                },
                // checkpoint.load_safetensors(path) -> table<string, tt.Tensor>, table<string, string>
                "load_safetensors": { call in
                    let file = try SafeTensors.load(try call[1].string())
                    call.pushTable(fields: file.tensors.map { ($0.name, LuaObject($0.tensor)) })
                    call.setOrder(file.tensors.map(\.name))
                    call.pushTable(fields: file.metadata.map { ($0.name, $0.text) })
                    call.setOrder(file.metadata.map(\.name))
                    return 2
                },
                // checkpoint.save_safetensors(path, tensors, metadata?)
                "save_safetensors": { call in
                    let tensors = try call[2].fields().map { (name: $0.name, tensor: try $0.value.object(Tensor.self)) }
                    let metadata = try call[3].optional?.fields().map { (name: $0.name, text: try $0.value.string()) }
                    try SafeTensors(tensors: tensors, metadata: metadata ?? []).save(to: try call[1].string())
                    return 0
                },
            ])
    }

    /// As `Argument.value` reads plain data, and tensors.
    private static func read(_ argument: Argument, depth: Int, _ growth: inout Growth) throws -> CheckpointValue {
        try growth.add()
        // A table within itself ends here, too.
        guard depth < 200 else { throw argument.error("tables are nested more than 200 levels deep, or in themselves") }
        switch argument.kind {
        case .nil: return .none
        case .bool: return .bool(try argument.bool())
        case .int: return .int(try argument.int64())
        case .float: return .float(try argument.double())
        case .string: return .string(try argument.string())
        case .table: break
        case .lightuserdata where argument.isNull: return .none
        case .userdata, .lightuserdata, .function, .thread: return .tensor(try argument.object(Tensor.self))
        }
        if try argument.isArray() {
            var list: [CheckpointValue] = []
            list.reserveCapacity(try argument.length())
            try argument.forEach { _, element in list.append(try read(element, depth: depth + 1, &growth)) }
            return .list(list)
        }
        var dict = CheckpointDict()
        for (name, value) in try argument.fields() { dict[name] = try read(value, depth: depth + 1, &growth) }
        return .dict(dict)
    }

    /// None becomes `tt.json.null`, so that a key that holds it is still there.
    private static func push(_ value: CheckpointValue, to call: Call) {
        switch value {
        case .none: call.push(Value.null)
        case .bool(let flag): call.push(flag)
        case .int(let number): call.push(number)
        case .float(let number): call.push(number)
        case .string(let text): call.push(text)
        case .tensor(let tensor): call.push(object: tensor)
        case .list(let list):
            call.push(list: list.lazy.map(Pushed.init))
            if list.isEmpty { call.setArray() }
        case .dict(let dict):
            call.pushTable(fields: dict.entries.map { ($0.key, Pushed(value: $0.value)) })
            call.setOrder(dict.keys)
        }
    }

    private struct Pushed: LuaPushable {
        let value: CheckpointValue
        func push(to call: Call) { CheckpointModule.push(value, to: call) }
    }
}
