import Base
import Files
import Glibc
import LuaHost

/// `tt init DIR`: the carried files as a folder to work in.
enum Starter {
    /// Writes every carried file below `folder`. A file that is there with other content is an error, before anything is
    /// written, unless `force`.
    static func write(to folder: String, force: Bool) throws {
        var missing: [String] = []
        var differing: [String] = []
        for name in Carried.names {
            switch try state(of: Path.join(folder, name), comparedWith: Carried.content(name)!) {
            case .missing: missing.append(name)
            case .different: differing.append(name)
            case .same: break
            }
        }
        if !differing.isEmpty, !force {
            let list = differing.map { "  \($0)\n" }.joined()
            throw UsageError(
                "these files in '\(folder)' differ from the carried ones; nothing was written:\n\(list)",
                hint: "Choose another folder, or replace them with 'tt init \(folder) --force'.")
        }
        for name in missing + differing {
            let path = Path.join(folder, name)
            try Files.makeFolder(Path.parent(path))
            try AtomicFile.write(Carried.content(name)!, to: path)
        }
        let same = Carried.names.count - missing.count - differing.count
        say("\(folder): wrote \(missing.count) files, replaced \(differing.count), \(same) were there already\n")
        for name in missing + differing { say("  \(name)\n") }
    }

    private enum State { case missing, same, different }

    private static func state(of path: String, comparedWith content: UnsafeRawBufferPointer) throws -> State {
        guard access(path, F_OK) == 0 else { return .missing }
        let file = try FileContent(path: path)
        return file.bytes.elementsEqual(content) ? .same : .different
    }
}
