import Base
import Testing

@testable import Web

@Suite struct AddressTests {
    @Test func partsOfAURL() throws {
        let address = try Address("HTTPS://u:p@Example.COM:8443/a/b?x=1#part")
        #expect(address.origin == "https://example.com:8443")
        #expect(address.userinfo == "u:p")
        #expect(address.target == "/a/b?x=1")
        #expect(address.text == "https://u:p@example.com:8443/a/b?x=1")
        #expect(address.textWithoutUser == "https://example.com:8443/a/b?x=1")
        #expect(try Address("http://h").text == "http://h/")
        #expect(try Address("http://h?x").text == "http://h/?x")
        #expect(try Address("http://h:80/").text == "http://h/")
        #expect(try Address("http://h:/").origin == "http://h:80")
        #expect(try Address("http://[::1]:81/x").origin == "http://[::1]:81")
        #expect(try Address("http://h/é/日?ü=1").target == "/%C3%A9/%E6%97%A5?%C3%BC=1")
    }

    @Test(arguments: [
        "", "x", "/path", "ftp://h/x", "file:///etc/passwd", "http://", "http:///x", "http://h:0/", "http://h:99999/",
        "http://h:8x/", "http://h /", "http://h/\n", "http://h/\u{7F}", "http://a\\@b/", "http://h%41/", "http://[::1",
        "http://[::g]/", "gopher://h", "http://h\u{0}/", "http://u@/", "://h", "http://h:1:2/",
    ])
    func whatIsNoURLIsRefused(_ url: String) {
        let error = webError { _ = try Address(url) }
        #expect(error?.code == "http.url")
        #expect(error?.message.unicodeScalars.allSatisfy { $0.value >= 32 } == true)
    }

    @Test(arguments: [
        "https://u:sec#ret@host/x", "https://u:sec/ret@host", "https://u:sec?ret@host/", "u:secret@host/x",
        "https://u:sec ret@host/", "https://h /?apikey=secret&x=1", "https://u:se%ret@[host/?token=sec",
    ])
    func unreadableOnesDoNotShowTheirSecrets(_ url: String) {
        let error = webError { _ = try Address(url) }
        #expect(error?.code == "http.url")
        #expect(error.map { !$0.message.contains("sec") && !$0.message.contains("ret") } == true)
        #expect(error.map { !"\($0.details)".contains("sec") && !"\($0.details)".contains("ret") } == true)
    }

    @Test func secretsAreNotShown() throws {
        let keys = [
            "apikey", "key", "token", "access_token", "password", "secret", "sig", "signature", "API_KEY",
            "X-Amz-Signature", "refresh_token", "client%5Fsecret",
        ]
        let query = keys.map { "\($0)=hidden" }.joined(separator: "&")
        let shown = try Address("https://user:hidden@h/p/hid?a=1&\(query)&monkey=2&b").shown
        #expect(!shown.contains("hidden") && !shown.contains("user"))
        #expect(shown.hasPrefix("https://h/p/hid?a=1&apikey=***&key=***&"))
        #expect(shown.hasSuffix("&monkey=2&b"))
        #expect(Secrets.hide(inMessage: "proxy 'http://u:p@h:1' and u:p@h") == "proxy h:1' and h")
    }

    @Test func joining() {
        #expect(Address.join("http://h/v1", "/x") == "http://h/v1/x")
        #expect(Address.join("http://h/v1/", "x?y=http://z") == "http://h/v1/x?y=http://z")
        #expect(Address.join("http://h/v1", "?x") == "http://h/v1?x")
        #expect(Address.join("http://h/v1", "") == "http://h/v1")
        #expect(Address.join("http://h/v1", "https://other/") == "https://other/")
        #expect(Address.join(nil, "/x") == "/x")
        #expect(Address.add(query: [("a", "1 2"), ("é", "&")], to: "/x") == "/x?a=1%202&%C3%A9=%26")
        #expect(Address.add(query: [("a", "1")], to: "/x?b=2#c") == "/x?b=2&a=1")
        #expect(Address.add(query: [("a", "1")], to: "/x?") == "/x?a=1")
        #expect(Address.add(query: [], to: "/x") == "/x")
    }

    @Test func escaping() {
        #expect(Escaping.escape("aZ09-._~") == "aZ09-._~")
        #expect(Escaping.escape(" +%/é") == "%20%2B%25%2F%C3%A9")
        #expect(Escaping.escape([0, 255]) == "%00%FF")
        #expect(Escaping.unescape("a%20b+c%zz%4") == "a b c%zz%4")
        for byte in UInt8.min...UInt8.max where byte < 128 {
            let text = String(UnicodeScalar(byte))
            #expect(Escaping.unescape(Escaping.escape(text)) == text)
        }
    }

    @Test func headersAreChecked() throws {
        #expect(try Header("X-A", "  é b ").value == "é b")
        #expect(try Header("X-A", " \t ").value == "")
        for (name, value) in [
            ("", "x"), ("a b", "x"), ("a:", "x"), ("é", "x"), ("a\r\n", "x"), ("a", "x\r\nb: c"), ("a", "x\ny"),
            ("a", "\u{0}"), ("a", "\u{7F}"), ("Content-Length", "1"), ("transfer-encoding", "chunked"),
        ] {
            let error = webError { _ = try Header(name, value) }
            #expect(error?.code == "http.header")
            #expect(error?.message.contains("\n") == false && error?.message.contains("b: c") == false)
        }
        let merged = Header.merge([try Header("A", "1"), try Header("B", "2")], [try Header("a", "3")])
        #expect(merged.map(\.value) == ["2", "3"])
    }
}

@Suite(.enabled(if: !libcurlIsMissing, "libcurl is not installed")) struct RetryPolicyTests {
    @Test func pausesHaveFullJitter() {
        var policy = RetryPolicy()
        policy.base = 1
        policy.limit = 5
        for (attempt, most) in [(1, 1.0), (2, 2), (3, 4), (4, 5), (5, 5), (5000, 5)] {
            let pauses = (0..<300).map { _ in policy.pause(after: attempt) }
            #expect(pauses.allSatisfy { (0...most).contains($0) })
            // Of 300 uniform numbers none in the lowest or highest tenth: once in 10^13 runs.
            #expect(pauses.min()! < most / 10 && pauses.max()! > most * 0.9)
        }
        policy.base = 0
        #expect(policy.pause(after: 3) == 0)
    }

    @Test func retryAfterIsRead() {
        func read(_ text: String, date: String? = nil, clock: Double = 784_111_777) -> Double? {
            RetryPolicy.retryAfter(text, date: date, clock: clock)
        }
        #expect(read("0") == 0)
        #expect(read("120") == 120)
        #expect(read("0.5") == 0.5)
        #expect(read("999999999999999999999999") == 1e24)
        // The three forms of RFC 9110, all 1994-11-06 08:49:37.
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            #expect(read(date, clock: 784_111_770) == 7)
            #expect(read(date, clock: 784_111_790) == 0)
            #expect(read(date, date: "Sun, 06 Nov 1994 08:49:07 GMT", clock: 0) == 30)
        }
        #expect(read("Sun, 06 Nov 1994 08:49:37 GMT", date: "nonsense", clock: 784_111_776) == 1)
        for text in ["", "soon", "-1", "1e5", ".", "1.2.3", String(repeating: ":", count: 10_000)] {
            #expect(read(text) == nil)
        }
    }
}
