/// What may be shown of texts that can hold passwords and keys.
enum Secrets {
    /// A URL without user and password, and without the values of query keys that name secrets.
    static func hide(inURL url: String) -> String {
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
    static func hide(inUnreadable text: String) -> String {
        guard let at = text.lastIndex(of: "@") else { return hide(inURL: text) }
        let scheme = text.firstRange(of: "://").map { String(text[..<$0.upperBound]) } ?? ""
        return hide(inURL: scheme + String(text[text.index(after: at)...]))
    }

    private static func hide(inQuery query: Substring) -> String {
        query.split(separator: "&", omittingEmptySubsequences: false).map { pair in
            guard let equals = pair.firstIndex(of: "="), isSecret(Escaping.unescape(pair[..<equals])) else {
                return String(pair)
            }
            return pair[...equals] + "***"
        }.joined(separator: "&")
    }

    private static func isSecret(_ key: String) -> Bool {
        let key = key.lowercased()
        let names = ["key", "sig", "pwd", "pass", "auth", "authorization", "jwt", "code", "credential", "credentials"]
        let parts = ["token", "secret", "passw", "signature", "apikey", "api_key", "api-key", "credential"]
        return names.contains(key) || parts.contains { key.contains($0) }
    }

    /// A message of libcurl: of each word with an `@`, only what stands behind it, because proxies are named there with
    /// their passwords.
    static func hide(inMessage message: String) -> String {
        message.split(separator: " ", omittingEmptySubsequences: false).map { word in
            guard let at = word.lastIndex(of: "@") else { return String(word) }
            return String(word[word.index(after: at)...])
        }.joined(separator: " ")
    }
}
