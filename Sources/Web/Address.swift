import Base

/// An http or https URL, checked and taken apart.
struct Address {
    /// `http` or `https`.
    let scheme: String
    /// `user:password`, as it stands in the URL.
    let userinfo: String?
    /// In lower case; an IPv6 address has its brackets.
    let host: String
    let port: Int
    /// Path and query, with a `/` at its start.
    let target: String

    /// Who is talked to: scheme, host and port.
    var origin: String { "\(scheme)://\(host):\(port)" }

    private var hasDefaultPort: Bool { port == (scheme == "https" ? 443 : 80) }

    /// The whole URL, with its secrets.
    var text: String { "\(scheme)://\(userinfo.map { $0 + "@" } ?? "")\(place)" }

    /// The same without user and password.
    var textWithoutUser: String { "\(scheme)://\(place)" }

    private var place: String { "\(host)\(hasDefaultPort ? "" : ":\(port)")\(target)" }

    /// The URL as messages show it.
    var shown: String { Secrets.hide(inURL: text) }

    /// - Parameter url: absolute; its fragment is dropped, characters outside of ASCII in path and query are encoded.
    init(_ url: String) throws {
        func refuse(_ problem: String) -> WebError {
            let shown = Secrets.hide(inUnreadable: url)
            let clean = String(shown.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? "?" : Character($0) })
            return WebError("http.url", "'\(clean)' \(problem)", details: [("url", .string(clean))])
        }
        guard !url.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else {
            throw refuse("is no URL: it holds a space or a control character; http.escape encodes them")
        }
        guard let separator = url.firstRange(of: "://") else {
            throw refuse("is no absolute URL, as in 'https://example.com/path', and the client has no base_url")
        }
        scheme = url[..<separator.lowerBound].lowercased()
        guard scheme == "http" || scheme == "https" else { throw refuse("is no http or https URL") }
        var rest = url[separator.upperBound...]
        if let hash = rest.firstIndex(of: "#") { rest = rest[..<hash] }

        let end = rest.firstIndex(where: { $0 == "/" || $0 == "?" }) ?? rest.endIndex
        var authority = rest[..<end]
        // Others take a backslash for a slash, and so another host.
        guard !authority.contains("\\") else { throw refuse("has a backslash before its path") }
        let tail = Escaping.escapeForeign(rest[end...])
        target = tail.hasPrefix("/") ? tail : "/" + tail
        if let at = authority.lastIndex(of: "@") {
            userinfo = String(authority[..<at])
            authority = authority[authority.index(after: at)...]
        } else {
            userinfo = nil
        }
        guard let parts = Self.hostAndPort(authority) else { throw refuse("names no usable host and port") }
        host = parts.host
        port = parts.port ?? (scheme == "https" ? 443 : 80)
    }

    private static func hostAndPort(_ authority: Substring) -> (host: String, port: Int?)? {
        var host = authority
        var portText: Substring = ""
        // The colons of an IPv6 address stand inside its brackets.
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            host = authority[..<colon]
            portText = authority[authority.index(after: colon)...]
        }
        let isLiteral = host.hasPrefix("[") && host.hasSuffix("]")
        let name = isLiteral ? host.dropFirst().dropLast() : host
        let isClean = name.unicodeScalars.allSatisfy { scalar in
            if isLiteral { return scalar.properties.isASCIIHexDigit || scalar == ":" || scalar == "." }
            return scalar.value >= 0x80 || scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                || scalar == "." || scalar == "-" || scalar == "_"
        }
        guard !name.isEmpty, isClean else { return nil }
        if portText.isEmpty { return (host.lowercased(), nil) }
        guard portText.utf8.allSatisfy({ (48...57).contains($0) }), let port = Int(portText),
            (1...65_535).contains(port)
        else { return nil }
        return (host.lowercased(), port)
    }

    /// `url` itself where it is absolute, otherwise `base` with `url` behind it.
    static func join(_ base: String?, _ url: String) -> String {
        guard let base, !isAbsolute(url) else { return url }
        if url.isEmpty { return base }
        let stem = base.hasSuffix("/") ? String(base.dropLast()) : base
        return url.hasPrefix("/") || url.hasPrefix("?") ? stem + url : stem + "/" + url
    }

    /// Whether it starts with a scheme; a `://` further on is content.
    private static func isAbsolute(_ url: String) -> Bool {
        guard let separator = url.firstRange(of: "://") else { return false }
        return url[..<separator.lowerBound].utf8.allSatisfy { byte in
            (65...90).contains(byte) || (97...122).contains(byte) || (48...57).contains(byte) || byte == 43
                || byte == 45 || byte == 46
        }
    }

    /// `url` with more pairs in its query.
    static func add(query: [(name: String, value: String)], to url: String) -> String {
        guard !query.isEmpty else { return url }
        let stem = url.firstIndex(of: "#").map { String(url[..<$0]) } ?? url
        guard let mark = stem.lastIndex(of: "?") else { return stem + "?" + Escaping.query(query) }
        let isOpen = stem.index(after: mark) == stem.endIndex || stem.hasSuffix("&")
        return stem + (isOpen ? "" : "&") + Escaping.query(query)
    }
}
