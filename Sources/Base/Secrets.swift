import CSystem
import Synchronization

/// What may be shown of texts that can hold passwords and keys: the one place that hides them.
public enum Secrets {
    /// What stands for a secret.
    public static let mask = "***"
    /// Bytes of the shortest word that is hidden wherever it occurs: shorter ones would hide ordinary words.
    public static let shortest = 8
    private static let known = Mutex<Set<String>>([])

    // MARK: Words

    /// Hides a word in every text from now on; those shorter than eight bytes are left alone.
    public static func conceal(_ word: String) {
        guard word.utf8.count >= shortest else { return }
        known.withLock { _ = $0.insert(word) }
    }

    /// Takes a word off the command line that the list of processes shows.
    public static func conceal(inArguments word: String) { tt_conceal_argument(word) }

    /// `text` with each of some words replaced; a word of fewer than four bytes only where it stands alone, lest the rest
    /// become unreadable.
    public static func hide(_ words: some Sequence<String>, in text: String) -> String {
        var bytes = Array(text.utf8)
        for word in Set(words).sorted(by: { $0.utf8.count > $1.utf8.count }) where !word.isEmpty {
            bytes = replace(Array(word.utf8), in: bytes, aloneOnly: word.utf8.count < 4)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func replace(_ word: [UInt8], in text: [UInt8], aloneOnly: Bool) -> [UInt8] {
        guard text.count >= word.count else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        func isPartOfWord(_ index: Int) -> Bool {
            text.indices.contains(index) && (isLetter(text[index]) || isDigit(text[index]))
        }
        var at = 0
        while at < text.count {
            let end = at + word.count
            if end <= text.count, text[at] == word[0], text[at..<end].elementsEqual(word),
                !aloneOnly || !isPartOfWord(at - 1) && !isPartOfWord(end)
            {
                result += mask.utf8
                at = end
            } else {
                result.append(text[at])
                at += 1
            }
        }
        return result
    }

    // MARK: Any text

    /// `text`, UTF-8 or not, without what was concealed, without the passwords of URLs and of connection strings (`password=`), and
    /// without API keys (`eyJ….….…`, `sb_secret_…`). Takes time in the length of the text alone.
    public static func hide(in text: [UInt8]) -> [UInt8] {
        var bytes = text
        for word in known.withLock({ $0.sorted { $0.utf8.count > $1.utf8.count } }) {
            bytes = replace(Array(word.utf8), in: bytes, aloneOnly: false)
        }
        return hideKeys(in: hidePasswords(ofStrings: hidePasswords(ofURLs: bytes)))
    }

    // `scheme://user:password@`: the password reaches to the last `@` before a slash or a space.
    private static func hidePasswords(ofURLs text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var at = 0
        while at < text.count {
            guard let password = passwordOfURL(text, separatorAt: at) else {
                result.append(text[at])
                at += 1
                continue
            }
            result += text[at..<password.lowerBound]
            result += mask.utf8
            at = password.upperBound
        }
        return result
    }

    /// The password of a URL whose `://` stands at a place.
    private static func passwordOfURL(_ text: [UInt8], separatorAt at: Int) -> Range<Int>? {
        guard at > 0, text.count - at > 3, text[at...].starts(with: "://".utf8), isScheme(text[at - 1]) else {
            return nil
        }
        func isEnd(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "/") || isSpace(byte) }
        let rest = text[(at + 3)...]
        guard
            let colon = rest.firstIndex(where: { isEnd($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "@") }),
            text[colon] == UInt8(ascii: ":")
        else { return nil }
        let end = rest[colon...].firstIndex(where: isEnd) ?? text.count
        guard let at = text[colon..<end].lastIndex(of: UInt8(ascii: "@")) else { return nil }
        return colon + 1..<at
    }

    // `password = 'value'`, in any case; the value may be quoted, and a backslash takes the next byte as it is. A quote
    // that does not close reaches to the end.
    private static func hidePasswords(ofStrings text: [UInt8]) -> [UInt8] {
        let name = Array("password".utf8)
        var result: [UInt8] = []
        var at = 0
        while at < text.count {
            guard text.count - at >= name.count, text[at] | 0x20 == name[0],
                zip(text[at...], name).allSatisfy({ $0 | 0x20 == $1 }),
                let value = valueOfSetting(text, from: at + name.count)
            else {
                result.append(text[at])
                at += 1
                continue
            }
            result += text[at..<value.lowerBound]
            if !value.isEmpty { result += mask.utf8 }
            at = value.upperBound
        }
        return result
    }

    private static func valueOfSetting(_ text: [UInt8], from start: Int) -> Range<Int>? {
        var at = start
        func skipSpaces() { while at < text.count, isSpace(text[at]) { at += 1 } }
        skipSpaces()
        guard at < text.count, text[at] == UInt8(ascii: "=") else { return nil }
        at += 1
        skipSpaces()
        let first = at
        let isQuoted = at < text.count && text[at] == UInt8(ascii: "'")
        if isQuoted { at += 1 }
        while at < text.count {
            if text[at] == UInt8(ascii: "\\") {
                at = min(at + 2, text.count)
            } else if isQuoted, text[at] == UInt8(ascii: "'") {
                return first..<at + 1
            } else if !isQuoted, isSpace(text[at]) || text[at] == UInt8(ascii: "&") {
                return first..<at
            } else {
                at += 1
            }
        }
        return first..<text.count
    }

    // Word by word: a key may stand behind other characters of its word.
    private static func hideKeys(in text: [UInt8]) -> [UInt8] {
        func isKeyByte(_ byte: UInt8) -> Bool {
            isLetter(byte) || isDigit(byte) || [UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-")].contains(byte)
        }
        var result: [UInt8] = []
        var at = 0
        while at < text.count {
            let end = text[at...].firstIndex { !isKeyByte($0) } ?? text.count
            let word = text[at..<end]
            if let key = firstKey(in: word) {
                result += text[at..<key]
                result += mask.utf8
            } else {
                result += word
            }
            if end < text.count { result.append(text[end]) }
            at = end + 1
        }
        return result
    }

    private static func firstKey(in word: ArraySlice<UInt8>) -> Int? {
        if let token = word.firstRange(of: Array("eyJ".utf8)) {
            let rest = word[min(token.upperBound + 1, word.endIndex)...]
            let dot = rest.firstIndex(of: UInt8(ascii: "."))
            if let dot, dot + 1 < word.endIndex { return token.lowerBound }
        }
        return word.firstRange(of: Array("sb_secret_".utf8))?.lowerBound
    }

    // MARK: Names

    private static let secretWords: Set<String> = [
        "key", "apikey", "password", "passwd", "pwd", "secret", "token", "authorization", "credential", "credentials",
    ]

    /// Whether the value of a field is secret by its name: `service_role_key`, `apiKey` and `Authorization` are, `monkey`
    /// and `tokens` are not.
    public static func isSecret(name: String) -> Bool {
        var word: [UInt8] = []
        var wasLower = false
        for byte in Array(name.utf8) + [0] {
            let isUpper = isLetter(byte) && byte & 0x20 == 0
            if !isLetter(byte) || isUpper && wasLower {
                if secretWords.contains(String(decoding: word, as: UTF8.self)) { return true }
                word = []
            }
            if isLetter(byte) { word.append(byte | 0x20) }
            wasLower = isLetter(byte) && !isUpper
        }
        return false
    }

    // A query may be made by anybody, so more of it is hidden than of a log line.
    private static func isSecret(queryKey: String) -> Bool {
        let key = queryKey.lowercased()
        let names = ["key", "sig", "pwd", "pass", "auth", "authorization", "jwt", "code", "credential", "credentials"]
        let parts = ["token", "secret", "passw", "signature", "apikey", "api_key", "api-key", "credential"]
        return names.contains(key) || parts.contains { key.contains($0) }
    }

    // MARK: URLs and libcurl's words

    /// A URL without user and password, and without the values of query keys that name secrets.
    public static func hide(inURL url: String) -> String {
        var text = Substring(url)
        if let hash = text.firstIndex(of: "#") { text = text[..<hash] }
        var query: Substring?
        if let mark = text.firstIndex(of: "?") {
            query = text[text.index(after: mark)...]
            text = text[..<mark]
        }
        var result = ""
        if let scheme = text.firstRange(of: "://") {
            result += text[..<scheme.upperBound]
            text = text[scheme.upperBound...]
        }
        let end = text.firstIndex(where: { $0 == "/" || $0 == "\\" }) ?? text.endIndex
        if let at = text[..<end].lastIndex(of: "@") { text = text[text.index(after: at)...] }
        result += text
        if let query { result += "?" + hide(inQuery: query) }
        return result
    }

    /// What may be shown of a text that was meant as a URL: where there is an `@`, a password may stand anywhere before it.
    public static func hide(inUnreadable text: String) -> String {
        guard let at = text.lastIndex(of: "@") else { return hide(inURL: text) }
        let scheme = text.firstRange(of: "://").map { String(text[..<$0.upperBound]) } ?? ""
        return hide(inURL: scheme + String(text[text.index(after: at)...]))
    }

    private static func hide(inQuery query: Substring) -> String {
        query.split(separator: "&", omittingEmptySubsequences: false).map { pair in
            guard let equals = pair.firstIndex(of: "="), isSecret(queryKey: Escaping.unescape(pair[..<equals])) else {
                return String(pair)
            }
            return pair[...equals] + mask
        }.joined(separator: "&")
    }

    /// A message of libcurl: of each word with an `@`, only what stands behind it, because proxies are named there with
    /// their passwords.
    public static func hide(inMessage message: String) -> String {
        message.split(separator: " ", omittingEmptySubsequences: false).map { word in
            guard let at = word.lastIndex(of: "@") else { return String(word) }
            return String(word[word.index(after: at)...])
        }.joined(separator: " ")
    }

    // MARK: Bytes

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    private static func isScheme(_ byte: UInt8) -> Bool {
        isLetter(byte) || isDigit(byte) || [UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "-")].contains(byte)
    }
}
