import Base
import Testing

@testable import JSON

@Suite struct JSONScannerTests {
    /// Passes one value and what may follow it.
    func accepts(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes {
            var scanner = JSONScanner($0)
            do {
                try scanner.skip()
                try scanner.end()
                return true
            } catch {
                return false
            }
        }
    }

    func compact(_ bytes: [UInt8]) -> String? {
        var text: [UInt8] = []
        return bytes.withUnsafeBytes { JSON.appendCompact($0, to: &text) } ? String(decoding: text, as: UTF8.self) : nil
    }

    /// nil when `JSON.decode` takes the text, its code when not.
    func code(_ bytes: [UInt8]) -> String? {
        do {
            _ = try bytes.withUnsafeBytes { try JSON.decode($0) }
            return nil
        } catch {
            return (error as? JSONError)?.code ?? "\(error)"
        }
    }

    static let samples: [String] = [
        "null", "true", "false", "0", "-0", "12", "-1.5e+3", "1E400", "123456789012345678901234567890", "\"\"", "[]",
        "{}",
        #"{"a":[1,-2.5e3,"x\u00e9\n\\\/\b\f\r\t\"",null,true],"b":{"c":{},"":""},"日本":"語😀"}"#,
        " [ 1 , { \"a\" : [ ] } ,\t\n\r\"\\ud83d\\ude00\\u0000\" ] ",
        "", " ", "nul", "nulll", "tru", "01", "1.", ".5", "-", "+1", "1e", "1e+", "0x1", "NaN", "Infinity", "'a'",
        "[1,]", "[,1]", "[1 2]", "[", "]", "{", "}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":1 \"b\":2}",
        "[1}", "{\"a\":1]", "1 2", "[] []", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"\\ud800\"",
        "\"\\ud800x\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\\ud800\\ud800\"", "\"a\nb\"", "\"\u{1}\"",
        "\"\u{7f}\"",
        "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "{\"a\":{\"b\":1,\"b\":1}}", "{\"a\\u0000\":1}", "\u{FEFF}1",
        "{\"a\":1,\"b\":{\"a\":1},\"c\":[{\"a\":1},{\"a\":1}]}", "// x\n1", "[1]\u{0}",
    ]

    static let illFormed: [[UInt8]] = [
        [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xC3, 0x28], [0xE0, 0x9F, 0x80], [0xE3, 0x81], [0xED, 0xA0, 0x80],
        [0xED, 0xBF, 0xBF], [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE],
        [0xFF],
    ]

    @Test func acceptsWhatDecodeAccepts() {
        for text in Self.samples {
            let bytes = Array(text.utf8)
            let code = code(bytes)
            #expect(accepts(bytes) == (code == nil || code == "json.number"), "\(text): \(code ?? "fine")")
        }
        for bytes in Self.illFormed {
            for padding in 0..<10 {
                let text = Array("\"\(String(repeating: "x", count: padding))".utf8) + bytes + Array("aaaaaaaaa\"".utf8)
                #expect(!accepts(text) && code(text) != nil, "\(text)")
            }
        }
    }

    @Test func agreesWithDecodeOnDamagedTexts() {
        var random = Random(seed: 21)
        let pieces = Self.samples.map { Array($0.utf8) }
        var accepted = 0
        for _ in 0..<60_000 {
            var bytes = pieces[random.below(pieces.count)]
            for _ in 0..<random.below(3) + 1 {
                let at = random.below(bytes.count + 1)
                switch random.below(4) {
                case 0 where at < bytes.count: bytes[at] = UInt8(random.below(256))
                case 1 where at < bytes.count: bytes.remove(at: at)
                case 2: bytes.insert(contentsOf: pieces[random.below(pieces.count)], at: at)
                default: bytes.insert(Array("{}[],:\"\\ 0e-.tn".utf8)[random.below(15)], at: at)
                }
            }
            let code = code(bytes)
            // A number is of no interest until somebody reads it; behind one that decode refuses there may be more.
            if code == "json.number" { continue }
            #expect(accepts(bytes) == (code == nil), "\(String(decoding: bytes, as: UTF8.self)): \(code ?? "fine")")
            guard code == nil, let short = compact(bytes) else { continue }
            accepted += 1
            let value = try? bytes.withUnsafeBytes { try JSON.decode($0) }
            #expect((try? JSON.decode(short)) == value)
        }
        #expect(accepted > 1000)
    }

    @Test func everyTruncationEndsInTheSameAnswer() {
        for text in Self.samples {
            let bytes = Array(text.utf8)
            for count in 0...bytes.count {
                let part = Array(bytes[..<count])
                let code = code(part)
                if code != "json.number" { #expect(accepts(part) == (code == nil), "\(text.prefix(count))") }
            }
        }
    }

    @Test func compactTextHasTheFewestEscapes() {
        #expect(
            compact(Array(#" { "a\u0041" : [ 1.50 , -0 , 1E5 ] , "\u65e5\ud83d\ude00\/" : "\u0007\n\"" } "#.utf8))
                == #"{"aA":[1.50,-0,1E5],"日😀/":"\u0007\n\""}"#)
        #expect(compact(Array("123456789012345678901234567890.10".utf8)) == "123456789012345678901234567890.10")
        #expect(compact(Array("[[],{},[{}]]".utf8)) == "[[],{},[{}]]")
        #expect(compact(Array("{\"a\":1} x".utf8)) == nil)
    }

    @Test func depthIsBounded() {
        let deep = JSON.maximumDepth - 1
        let fine = String(repeating: "[", count: deep) + "1" + String(repeating: "]", count: deep)
        #expect(accepts(Array(fine.utf8)))
        for opening in ["[", "{\"a\":"] {
            let text = Array(String(repeating: opening, count: 500_000).utf8)
            #expect(!accepts(text))
            text.withUnsafeBytes {
                var scanner = JSONScanner($0)
                #expect {
                    try scanner.skip()
                } throws: {
                    ($0 as? JSONError)?.code == "json.depth"
                }
            }
        }
    }

    @Test func repeatedNamesAreFoundInLargeObjectsToo() {
        var members = (0..<300).map { "\"name \($0)\":\($0)" }
        #expect(accepts(Array("{\(members.joined(separator: ","))}".utf8)))
        members.append("\"name 17\":0")
        #expect(!accepts(Array("{\(members.joined(separator: ","))}".utf8)))
    }

    @Test func quotesStringsAsTheyAre() {
        func quoted(_ bytes: [UInt8]) -> String? {
            var text: [UInt8] = []
            return bytes.withUnsafeBufferPointer { JSON.appendQuoted($0, to: &text) }
                ? String(decoding: text, as: UTF8.self) : nil
        }
        #expect(quoted([]) == "\"\"")
        #expect(
            quoted(Array("a\"b\\c\n\u{1}\u{7f}日本😀 and a longer plain end".utf8))
                == "\"a\\\"b\\\\c\\n\\u0001\u{7f}日本😀 and a longer plain end\"")
        for bytes in Self.illFormed {
            for padding in 0..<10 {
                #expect(quoted(Array(repeating: 0x61, count: padding) + bytes) == nil)
                #expect(quoted(Array(repeating: 0x61, count: padding) + bytes + Array("aaaaaaaa".utf8)) == nil)
            }
        }
        var random = Random(seed: 3)
        for _ in 0..<3000 {
            let text = String(
                String.UnicodeScalarView(
                    (0..<random.below(30)).map { _ in
                        Unicode.Scalar(UInt32(random.below(random.below(2) == 0 ? 0x100 : 0x11_0000))) ?? "x"
                    }))
            guard let written = quoted(Array(text.utf8)) else {
                Issue.record("\(text) was refused")
                continue
            }
            #expect((try? JSON.decode(written)) == .string(text))
        }
    }
}
