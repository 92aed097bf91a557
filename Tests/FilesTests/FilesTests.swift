import Base
import Glibc
import Testing

@testable import Files

@Suite struct FilesTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder(prefix: "tt files") }

    func path(_ name: String) -> String { Path.join(folder.path, name) }

    func write(_ text: String, to name: String) throws {
        try Array(text.utf8).withUnsafeBytes { try AtomicFile.write($0, to: path(name)) }
    }

    func message(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return (error as? any TTError)?.message
        }
    }

    @Test func atomicFileAppearsWholeOrNotAtAll() throws {
        try write("old", to: "a")
        do {
            let file = try AtomicFile(path: path("a"))
            try file.write("half of the n")
            try file.write([UInt8](repeating: 65, count: 200_000))
            #expect(try Files.read(path("a")) == Array("old".utf8))
            #expect(try Files.list(folder.path) == ["a"], "a killed process leaves nothing behind")
        }
        #expect(try Files.list(folder.path) == ["a"], "an abandoned file leaves nothing behind")
        #expect(try Files.read(path("a")) == Array("old".utf8))
        let file = try AtomicFile(path: path("a"))
        try file.write("new")
        try file.write([UInt8](repeating: 66, count: 100_000))
        try file.commit()
        #expect(file.byteCount == 100_003)
        #expect(try Files.read(path("a")).count == 100_003)
        #expect(try Files.list(folder.path) == ["a"])
        #expect(
            message { _ = try AtomicFile(path: path("no/b")) }
                == "cannot write '\(path("no/b"))': No such file or directory")
    }

    @Test(arguments: [true, false]) func atomicFileRemovesWhatItCannotRename(nameless: Bool) throws {
        try Files.makeFolder(path("target/x"))
        let file = try AtomicFile(path: path("target"), nameless: nameless)
        #expect(message { try file.commit() } == "cannot write '\(path("target"))': Is a directory")
        #expect(try Files.list(folder.path) == ["target"])
    }

    @Test(arguments: [true, false]) func writersOfOneTargetKeepApart(nameless: Bool) throws {
        let files = try (1...3).map { number in
            let file = try AtomicFile(path: path("a"), nameless: nameless)
            try file.write("\(number)")
            return file
        }
        let hidden = try Files.list(folder.path)
        #expect(hidden.count == (nameless ? 0 : 3) && hidden.allSatisfy { $0.hasPrefix(".a.tmp") })
        for number in [2, 1, 3] {
            try files[number - 1].commit()
            #expect(try Files.read(path("a")) == Array("\(number)".utf8))
        }
        #expect(try Files.list(folder.path) == ["a"])
    }

    @Test(arguments: [true, false]) func whatAKilledWriterLeftGoesWithTheNextWrite(nameless: Bool) throws {
        try write("old", to: "a")
        try write("half", to: ".a.tmp")
        let other = open(path(".a.tmp"), O_RDONLY)
        #expect(flock(other, LOCK_EX) == 0)
        for (isAlive, names) in [(true, [".a.tmp", "a"]), (false, ["a"])] {
            if !isAlive { close(other) }
            let file = try AtomicFile(path: path("a"), nameless: nameless)
            try file.write("new")
            try file.commit()
            #expect(try Files.read(path("a")) == Array("new".utf8))
            #expect(try Files.list(folder.path) == names)
        }
    }

    @Test func anyNameOfAFileWillDo() throws {
        for name in [String(repeating: "n", count: 255), "\u{301}x"] {
            for _ in 1...2 { try write("x", to: name) }
            #expect(try Files.list(folder.path) == [name])
            #expect(Path.name(path(name)).utf8.elementsEqual(name.utf8))
            try Files.remove(path(name))
        }
    }

    @Test func mapsFiles() throws {
        try write("hello", to: "a")
        try write("", to: "empty")
        let file = try FileContent(path: path("a"))
        withExtendedLifetime(file) { #expect(Array(file.bytes) == Array("hello".utf8)) }
        #expect(try FileContent(path: path("empty")).bytes.isEmpty)
        #expect(message { _ = try FileContent(path: folder.path) } == "cannot read '\(folder.path)': Is a directory")
    }

    @Test func filesBeyondAnyMemoryAreRefused() throws {
        try write("", to: "sparse")
        #expect(truncate(path("sparse"), 1 << 43) == 0)
        for read in [{ _ = try Files.read($0) }, { _ = try FileContent(path: $0) }] as [(String) throws -> Void] {
            let message = message { try read(path("sparse")) } ?? ""
            #expect(message.hasPrefix("cannot read '\(path("sparse"))': 8.8 TB of memory needed, "))
        }
    }

    @Test func filesThatBecomeShorterAreNoticed() throws {
        try write("hello", to: "a")
        let file = try InputFile(path: path("a"))
        func middle() throws -> [UInt8] {
            let bytes = try file.read(1..<3)
            return Array(bytes.elements)
        }
        #expect(try middle() == Array("el".utf8))
        #expect(truncate(path("a"), 3) == 0)
        #expect(try middle() == Array("el".utf8))
        do {
            _ = try file.read(1..<5)
            Issue.record("nothing was thrown")
        } catch let error as FileError {
            #expect(error.code == "fs.changed")
            #expect(error.message.hasPrefix("'\(path("a"))' became shorter while it was read"))
        }
        #expect(try file.read(5..<5).count == 0)
    }

    @Test func absolutePathsKeepAccents() throws {
        #expect(try Files.absolute("/a/./b/../\u{301}x/") == "/a/\u{301}x")
        #expect(try Files.absolute("/a/\u{301}x").utf8.elementsEqual("/a/\u{301}x".utf8))
    }

    @Test func listsAndMatchesInByteOrder() throws {
        for name in ["b.txt", "a.txt", "Z.txt", ".hidden", "é.txt", "c.md"] { try write(name, to: name) }
        try Files.makeFolder(path("sub/deeper"))
        #expect(try Files.list(folder.path) == [".hidden", "Z.txt", "a.txt", "b.txt", "c.md", "sub", "é.txt"])
        let found = try Files.glob(path("*.{txt,md}")).map(Path.name)
        #expect(found == ["Z.txt", "a.txt", "b.txt", "c.md", "é.txt"])
        #expect(try Files.glob(path("?.txt")).map(Path.name).contains("a.txt"))
        #expect(try Files.glob(path("nothing*")) == [])
        #expect(message { _ = try Files.list(path("no")) } == "cannot list '\(path("no"))': No such file or directory")
    }

    @Test func tellsWhatAPathIs() throws {
        try write("12345", to: "a")
        symlink("a", path("link"))
        symlink("nowhere", path("broken"))
        let status = try #require(try Files.status(path("a")))
        #expect(status.kind == .file && status.size == 5 && status.mode & 0o600 == 0o600)
        #expect(abs(status.modified - Clock.now()) < 60_000_000)
        #expect(try Files.status(path("link"))?.kind == .file)
        #expect(try Files.status(path("link"), followLinks: false)?.kind == .link)
        #expect(try Files.status(path("broken")) == nil)
        #expect(try Files.status(folder.path)?.kind == .folder)
        #expect(try Files.status(path("a/b")) == nil)
        #expect(Files.exists(path("a")) && !Files.exists(path("no")))
    }

    @Test func makesRenamesCopiesAndRemoves() throws {
        try Files.makeFolder(path("one/two/three/"))
        try Files.makeFolder(path("one/two"))
        try write("content", to: "one/two/f")
        chmod(path("one/two/f"), 0o640)
        try Files.copy(path("one/two/f"), to: path("copy"))
        #expect(try Files.read(path("copy")) == Array("content".utf8))
        #expect(try Files.status(path("copy"))?.mode == 0o640)
        try Files.rename(path("copy"), to: path("moved"))
        #expect(message { try Files.makeFolder(path("moved")) } == "cannot make folder '\(path("moved"))': File exists")
        #expect(
            message { try Files.rename(path("moved"), to: path("no/x")) }
                == "cannot rename '\(path("no/x"))': No such file or directory")
        symlink(path("one"), path("link"))
        try Files.remove(path("link"), tree: true)
        #expect(Files.exists(path("one/two/f")), "removing a link leaves what it points to")
        #expect(message { try Files.remove(path("one")) } == "cannot remove '\(path("one"))': Directory not empty")
        #expect(try Files.remove(path("one"), tree: true))
        #expect(try !Files.remove(path("one")))
        #expect(
            message { try Files.copy(path("no"), to: path("x")) }
                == "cannot copy '\(path("no"))': No such file or directory")
        #expect(try Files.list(folder.path) == ["moved"])
    }

    @Test func temporaryFolderGoesAway() throws {
        let inner = try TemporaryFolder()
        try Files.makeFolder(Path.join(inner.path, "a/b"))
        try inner.close()
        try inner.close()
        #expect(!Files.exists(inner.path))
        var path = ""
        do {
            let dropped = try TemporaryFolder()
            path = dropped.path
            #expect(Files.exists(path))
        }
        #expect(!Files.exists(path))
    }

    @Test func hashesFiles() throws {
        let folder = try TemporaryFolder()
        let path = Path.join(folder.path, "large")
        let content = [UInt8](repeating: 7, count: (1 << 20) + 13)
        try content.withUnsafeBytes { try AtomicFile.write($0, to: path) }
        #expect(try SHA256.hex(file: path) == SHA256.hex(content))
        #expect {
            try SHA256.hex(file: path + "x")
        } throws: {
            ($0 as? FileError)?.message == "cannot read '\(path)x': No such file or directory"
        }
    }
}
