import Base
import Files
import Testing

@testable import Checkpoints

/// Nothing a file says may trap, run, or take the machine's memory: every one of these is an error with a message.
@Suite struct HostileFileTests {
    @Test(arguments: try Fixtures.hostile(".pt"))
    func archiveIsRefused(_ file: String) {
        let error = #expect(throws: CheckpointError.self) { try Checkpoint.load(Fixtures.path("hostile/" + file)) }
        #expect(error?.message.isEmpty == false)
        if file.hasPrefix("global_") { #expect(error?.kind == .refused, "\(error?.message ?? "")") }
    }

    @Test(arguments: try Fixtures.hostile(".safetensors"))
    func safetensorsIsRefused(_ file: String) {
        let error = #expect(throws: CheckpointError.self) { try SafeTensors.load(Fixtures.path("hostile/" + file)) }
        #expect(error?.message.isEmpty == false)
    }

    @Test(arguments: [
        ("global_os_system.pt", "'os.system'"), ("global_torch_load.pt", "'torch.load'"), ("nested.pt", "'os.system'"),
        ("newobj.pt", "'os.system'"), ("global_terminal.pt", "'evil?[2Jmodule.name'"),
        ("zip_flipped_byte.pt", "checksum of entry 'a/data/0'"), ("zip_truncated.pt", "cut short"),
        ("tensor_storage_missing.pt", "'hostile/data/9'"), ("tensor_expanded_huge.pt", "far larger than the file"),
        ("billion_laughs.pt", "repeats itself"), ("text_repeated.pt", "repeats itself"),
        ("pickle_list_in_itself.pt", "within itself"),
        ("inst.pt", "opcode 0x69"), ("stack_global.pt", "protocol 4"),
    ])
    func messageNamesTheCause(_ file: String, _ phrase: String) {
        let error = #expect(throws: CheckpointError.self) { try Checkpoint.load(Fixtures.path("hostile/" + file)) }
        #expect(error?.message.contains(phrase) == true, "\(error?.message ?? "")")
    }

    /// Reads the damaged bytes; only an error of ours may come out.
    private func survives(_ bytes: [UInt8], _ read: (UnsafeRawBufferPointer) throws -> Void) {
        do {
            try bytes.withUnsafeBytes(read)
        } catch is CheckpointError {
        } catch let error as BaseError where error.code == "base.short_read" {
        } catch { Issue.record("unexpected \(error)") }
    }

    private func mutate(_ bytes: [UInt8], _ random: inout Random) -> [UInt8] {
        var bytes = bytes
        for _ in 0...random.below(4) {
            let position = random.below(bytes.count)
            switch random.below(5) {
            case 0: bytes[position] = UInt8(truncatingIfNeeded: random.next())
            case 1: bytes[position] ^= 1 << UInt8(random.below(8))
            case 2: bytes[position] = [0, 1, 0x7F, 0x80, 0xFF][random.below(5)]
            case 3:
                let end = min(bytes.count, position + random.below(8))
                for index in position..<end { bytes[index] = 0xFF }
            default:
                if bytes.count > 16 {
                    bytes.removeSubrange(position..<min(bytes.count, position + 1 + random.below(8)))
                }
            }
            if bytes.isEmpty { return [0] }
        }
        return bytes
    }

    @Test(arguments: ["types.pt", "deflated.pt", "reference.pt", "views.pt"])
    func damagedArchives(_ file: String) throws {
        let good = try Files.read(Fixtures.path(file))
        var random = Random(seed: 11)
        for round in 0..<400 {
            var bytes = mutate(good, &random)
            if round % 10 == 0 { bytes = Array(good.prefix(random.below(good.count))) }
            survives(bytes) { _ = try TorchArchive($0).value() }
        }
    }

    /// Damaged pickles inside of sound archives: the checksum would otherwise hide the machine from most damage.
    @Test(arguments: ["types.pt", "reference.pt", "views.pt", "values.pt"])
    func damagedPickles(_ file: String) throws {
        let folder = try TemporaryFolder()
        let content = try FileContent(path: Fixtures.path(file))
        let zip = try ZipReader(content.bytes)
        var contents: [(String, [UInt8])] = []
        for entry in zip.entries {
            contents.append((entry.name, try zip.withContent(of: entry.name) { Array($0) } ?? []))
        }
        let pickle = contents.firstIndex { $0.0.hasSuffix("/data.pkl") } ?? 0
        let good = contents[pickle].1
        var random = Random(seed: 12)
        for round in 0..<300 {
            // Damage near the start reaches more kinds of opcodes than deep inside a long list of the same one.
            let head = min(good.count, 4000)
            contents[pickle].1 = mutate(Array(good.prefix(head)), &random) + good.dropFirst(head)
            let path = Path.join(folder.path, "damaged-\(round % 4).pt")
            let file = try AtomicFile(path: path)
            var writer = ZipWriter(file)
            for (name, content) in contents { try writer.add(name, content) }
            try writer.finish()
            try file.commit()
            survives(try Files.read(path)) { _ = try TorchArchive($0).value() }
        }
    }

    /// A list of 1000 pairs, and 100,000 dictionaries made of it.
    @Test func listsBecomeDictionariesOnce() throws {
        var pickle = ByteWriter()
        pickle.append([0x80, 2] as [UInt8])
        pickle.append("ccollections\nOrderedDict\nq\u{0}](")
        for key in 0..<1000 {
            pickle.append("M")
            pickle.littleEndian(UInt16(key))
            pickle.append("N")
            pickle.append(UInt8(0x86))
        }
        pickle.append("eq\u{1}")
        for _ in 0..<100_000 {
            pickle.append("h\u{0}h\u{1}")
            pickle.append(UInt8(0x85))
            pickle.append("R")
        }
        pickle.append(".")
        let error = #expect(throws: CheckpointError.self) { try pickle.bytes.withUnsafeBytes(PickleReader.read) }
        #expect(error?.kind == .tooLarge)
    }

    @Test func damagedSafetensors() throws {
        let good = try Files.read(Fixtures.path("types.safetensors"))
        var random = Random(seed: 13)
        for _ in 0..<2000 { survives(mutate(good, &random)) { _ = try SafeTensors.read($0) } }
    }
}
