import Base
import Files
import Tensors
import Testing

@testable import Checkpoints

@Suite struct CheckpointTests {
    // MARK: - Files of PyTorch

    @Test(arguments: [
        "reference.pt", "views.pt", "parameter.pt", "types.pt", "big_endian.pt", "deflated.pt", "bare_tensor.pt",
    ])
    func readsTensors(_ file: String) throws {
        let value = try Checkpoint.load(Fixtures.path(file))
        let expected = try Fixtures.expected(file)
        #expect(!expected.isEmpty)
        for tensor in expected {
            let found = value.tensor(at: tensor.name)
            #expect(found?.shape == tensor.shape, "\(tensor.name)")
            #expect(found?.values == tensor.values, "\(tensor.name)")
        }
    }

    @Test func readsSpecialNumbers() throws {
        let specials = try Checkpoint.load(Fixtures.path("views.pt")).tensor(at: "specials")
        #expect(specials?.values.map(\.bitPattern) == [0x7F80_0000, 0x8000_0000, 1, 0x7F7F_FFFF])
    }

    @Test func readsTheEarlierSystemsCheckpoint() throws {
        let value = try Checkpoint.load(Fixtures.path("reference.pt"))
        guard case .dict(let root) = value, case .dict(let state)? = root["model_state"] else {
            Issue.record("no state")
            return
        }
        #expect(root.keys == ["model_state", "pipeline", "config"])
        let layers = ["0", "3", "6"].flatMap { ["backbone.\($0).weight", "backbone.\($0).bias"] }
        #expect(state.keys == layers.map { "user_tower." + $0 } + layers.map { "item_tower." + $0 })
        #expect(value["pipeline"]?["tag_vocab"]?.shown == "['日本','b','é']")
        #expect(value["pipeline"]?["item_numeric_normalizer"]?["mean"]?.shown == "[1980.5f,-3.25f,0.0f]")
        #expect(value["pipeline"]?["user_feature_dim"]?.shown == "14")
        #expect(value["config"]?["training"]?.shown == "{lr:0.001f,weight_decay:1e-05f,use_rpc_features:true}")
    }

    @Test func readsPlainValues() throws {
        let value = try Checkpoint.load(Fixtures.path("values.pt"))
        let expected: [(String, String)] = [
            ("none", "none"), ("true", "true"), ("false", "false"),
            ("ints", "[0,255,256,65535,65536,-1,2147483648,-9223372036854775808,9223372036854775807]"),
            ("floats", "[0.5f,-0.0f,1e+300f,5e-324f]"), ("text", "'日本 é \u{1F600} \0 end'"), ("empty", "''"),
            ("tuple", "[1,['two',3.0f]]"), ("list", "[]"), ("dict", "{}"), ("5", "'integer key'"), ("-6", "'another'"),
            ("ordered", "{z:1,a:2}"), ("shared", "[['shared'],['shared']]"),
        ]
        for (key, text) in expected { #expect(value[key]?.shown == text, "\(key)") }
        guard case .dict(let composed)? = value["composed"], case .dict(let many)? = value["many"] else {
            Issue.record("no dictionaries")
            return
        }
        #expect(composed.entries.count == 2)
        #expect(composed["\u{E9}"]?.shown == "1")
        #expect(composed["e\u{301}"]?.shown == "2")
        #expect(many.keys == (0..<2500).map { "key \($0)" })
    }

    @Test(arguments: [
        ("legacy.pt", "before 1.6"), ("script.pt", "TorchScript"), ("bare_pickle.pt", "bare pickle"),
        ("protocol4.pt", "protocol 4"), ("inexact.pt", "int64 value that float32 cannot hold"),
        ("overflow.pt", "float64 value that float32 cannot hold"), ("complex.pt", "torch.ComplexFloatStorage"),
        ("types.safetensors", "safetensors"),
    ])
    func refusesOtherFormats(_ file: String, _ phrase: String) {
        let error = #expect(throws: CheckpointError.self) { try Checkpoint.load(Fixtures.path(file)) }
        #expect(error?.message.contains(phrase) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains(file) == true)
    }

    @Test func missingFileIsAFileError() {
        let error = #expect(throws: FileError.self) { try Checkpoint.load("/nowhere/latest.pt") }
        #expect(error?.code == "fs.not_found")
    }

    // MARK: - Round trips

    static func sample() throws -> CheckpointValue {
        .dict(
            CheckpointDict([
                (
                    "model_state",
                    .dict(
                        CheckpointDict([
                            ("w", .tensor(tensor([2, 3], [1, -2, 3.5, 0, -0.0, 1e-38]))),
                            ("empty", .tensor(tensor([0, 4], []))),
                            ("scalar", .tensor(tensor([], [7]))),
                        ]))
                ),
                (
                    "list",
                    .list([.none, .bool(true), .int(-1), .int(255), .int(65536), .int(.min), .float(0.1), .list([])])
                ),
                ("text", .string("日本\n\"quoted\" \u{1F600}")), ("dict", .dict(CheckpointDict())),
            ]))
    }

    static func tensor(_ shape: [Int], _ values: [Float]) -> Tensor {
        Tensor(shape: shape, storage: Buffer(values))
    }

    @Test func roundTrip() throws {
        let folder = try TemporaryFolder()
        let path = Path.join(folder.path, "latest.pt")
        let value = try Self.sample()
        try Checkpoint.save(value, to: path)
        #expect(try Checkpoint.load(path).shown == value.shown)
        let first = try Files.read(path)
        try Checkpoint.save(value, to: path)
        #expect(try Files.read(path) == first)
        #expect(try Files.list(folder.path) == ["latest.pt"])
    }

    @Test func writesTheLayoutOfPyTorch() throws {
        let folder = try TemporaryFolder()
        let path = Path.join(folder.path, "latest.pt")
        try Checkpoint.save(try Self.sample(), to: path)
        let file = try FileContent(path: path)
        let zip = try ZipReader(file.bytes)
        #expect(
            zip.entries.map(\.name)
                == [
                    "data.pkl", ".format_version", ".storage_alignment", "byteorder", "data/0", "data/1", "data/2",
                    "version",
                    ".data/serialization_id",
                ].map { "latest/" + $0 })
        for entry in zip.entries {
            #expect(entry.method == .stored)
            #expect(entry.dataOffset % 64 == 0, "\(entry.name)")
        }
        func text(_ name: String) throws -> String? {
            try zip.withContent(of: "latest/" + name) { String(decoding: $0, as: UTF8.self) }
        }
        #expect(try text("version") == "3\n")
        #expect(try text("byteorder") == "little")
        #expect(try text(".format_version") == "1")
        #expect(try text(".storage_alignment") == "64")
        let id = try text(".data/serialization_id") ?? ""
        #expect(id.utf8.count == 40 && id.utf8.allSatisfy { (0x30...0x39).contains($0) })
        // Flags 0x0808 and a zero date in the first local header.
        #expect(Array(file.bytes[4..<14]) == [0, 0, 8, 8, 0, 0, 0, 0, 0, 0])
    }

    /// ZIP64 fields appear from 4 GiB on; a lowered limit makes every entry take them.
    @Test func wideEntriesReadBack() throws {
        let folder = try TemporaryFolder()
        let path = Path.join(folder.path, "wide.zip")
        let file = try AtomicFile(path: path)
        var writer = ZipWriter(file, limit: 100)
        let contents = (0..<4).map { [UInt8](repeating: UInt8($0), count: $0 * 90) }
        for (index, content) in contents.enumerated() { try writer.add("a/\(index)", content) }
        try writer.finish()
        try file.commit()
        let written = try FileContent(path: path)
        let zip = try ZipReader(written.bytes)
        for (index, content) in contents.enumerated() {
            #expect(try zip.withContent(of: "a/\(index)") { Array($0) } == content)
            #expect(zip.entries[index].dataOffset % 64 == 0)
        }
    }

    @Test(arguments: [
        ("latest.pt", "latest"), ("a/b/model.v2.pt", "model.v2"), ("none", "none"), (".pt", ".pt"),
        ("日本.pt", "archive"),
        ("two words.pt", "archive"),
    ])
    func topFolder(_ path: String, _ folder: String) { #expect(TorchArchive.folder(for: path) == folder) }

    @Test func tooDeepIsRefused() {
        var value = CheckpointValue.none
        for _ in 0..<600 { value = .list([value]) }
        let error = #expect(throws: CheckpointError.self) { try Checkpoint.save(value, to: "/tmp/never-written.pt") }
        #expect(error?.kind == .badValue)
    }

    @Test func failedWriteKeepsTheOldFile() throws {
        let folder = try TemporaryFolder()
        let path = Path.join(folder.path, "latest.pt")
        try Checkpoint.save(.int(1), to: path)
        var deep = CheckpointValue.none
        for _ in 0..<600 { deep = .list([deep]) }
        #expect(throws: CheckpointError.self) { try Checkpoint.save(deep, to: path) }
        #expect(try Checkpoint.load(path).shown == "1")
        #expect(throws: FileError.self) {
            try Checkpoint.save(.int(1), to: Path.join(folder.path, "no/such/folder.pt"))
        }
    }

    @Test func dictionary() {
        var dict = CheckpointDict([("a", .int(1)), ("b", .int(2)), ("c", .int(3))])
        dict["a"] = nil
        dict["b"] = .int(5)
        dict["d"] = .int(4)
        #expect(CheckpointValue.dict(dict).shown == "{b:5,c:3,d:4}")
        #expect(dict["c"]?.shown == "3")
        #expect(dict["a"] == nil)
    }
}
