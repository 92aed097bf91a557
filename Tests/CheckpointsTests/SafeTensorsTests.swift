import Base
import Files
import Tensors
import Testing

@testable import Checkpoints

@Suite struct SafeTensorsTests {
    @Test func readsTheLibrarysFile() throws {
        let file = try SafeTensors.load(Fixtures.path("types.safetensors"))
        let expected = try Fixtures.expected("types.safetensors")
        #expect(file.tensors.count == expected.count)
        for tensor in expected {
            let found = file.tensors.first { $0.name == tensor.name }?.tensor
            #expect(found?.shape == tensor.shape, "\(tensor.name)")
            #expect(found?.values == tensor.values, "\(tensor.name)")
        }
        let metadata = file.metadata.map { "\($0.name)=\($0.text)" }.sorted()
        #expect(metadata == ["format=pt", "note=déjà vu"])
    }

    @Test func roundTrip() throws {
        let folder = try TemporaryFolder()
        let path = Path.join(folder.path, "a.safetensors")
        let written = SafeTensors(
            tensors: [
                ("z", CheckpointTests.tensor([2, 2], [1, 2, 3, -0.5])), ("a", CheckpointTests.tensor([0], [])),
                ("日本", CheckpointTests.tensor([], [9])),
            ],
            metadata: [("k", "v\n")])
        try written.save(to: path)
        let read = try SafeTensors.load(path)
        #expect(Set(read.tensors.map(\.name)) == ["z", "a", "日本"])
        for (name, tensor) in written.tensors {
            let found = read.tensors.first { $0.name == name }?.tensor
            #expect(found?.shape == tensor.shape)
            #expect(found?.values == tensor.values)
        }
        #expect(read.metadata.first?.text == "v\n")
        let bytes = try Files.read(path)
        #expect(bytes[0] % 8 == 0 && bytes[8] == UInt8(ascii: "{"))
        try written.save(to: path)
        #expect(try Files.read(path) == bytes)
    }

    @Test func noTensorsAtAll() throws {
        let folder = try TemporaryFolder()
        let path = Path.join(folder.path, "none.safetensors")
        try SafeTensors(tensors: []).save(to: path)
        #expect(try SafeTensors.load(path).tensors.isEmpty)
    }

    @Test func reservedAndRepeatedNamesAreRefused() {
        let one = CheckpointTests.tensor([1], [1])
        for names in [["__metadata__"], ["a", "a"]] {
            let error = #expect(throws: CheckpointError.self) {
                try SafeTensors(tensors: names.map { ($0, one) }).save(to: "/tmp/never-written.safetensors")
            }
            #expect(error?.kind == .badValue)
        }
    }
}
