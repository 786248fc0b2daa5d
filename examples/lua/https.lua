-- An HTTPS server and its clients, each in coroutines of its own, in one thread: lua https.lua CERTS
local usocket = require "usocket"
local certs = arg[1] or "target/certs"
local CLIENTS, PAGE = 20, ("all work and no play "):rep(20000)

local function ok(value, why) return value or error(why, 2) end

local listener = ok(usocket.listen("127.0.0.1", 0))
local server = ok(usocket.server { cert = certs .. "/server.pem", key = certs .. "/server-key.pem" })
local client = ok(usocket.client { ca = certs .. "/ca.pem" })

-- Reads until a pattern is there, or to the end.
local function read(s, pattern)
    local text = ""
    while not (pattern and text:find(pattern)) do
        local more = ok(s:recv())
        if more == "" then break end
        text = text .. more
    end
    return text
end

local function serve(s)
    if not s:tls(server) then return s:close() end
    local path = read(s, "\r\n\r\n"):match("^GET (%S+)")
    usocket.sleep(0.01) -- It has to think.
    ok(s:send("HTTP/1.0 200 OK\r\nContent-Length: " .. #PAGE + #path .. "\r\n\r\n" .. path .. PAGE))
    s:close()
end

usocket.go(function()
    for _ = 1, CLIENTS + 1 do usocket.go(serve, ok(listener:accept())) end
    listener:close()
end)

local fetched, port = 0, tostring(listener:port())

local function fetch(number)
    local s = ok(usocket.connect("127.0.0.1", port))
    ok(s:tls(client, "localhost"))
    ok(s:send("GET /" .. number .. " HTTP/1.0\r\n\r\n"))
    local head, body = read(s):match("^(.-)\r\n\r\n(.*)$")
    assert(head:find("200 OK", 1, true) and body == "/" .. number .. PAGE, "not what was asked for")
    s:close()
    fetched = fetched + 1
end

for number = 1, CLIENTS do usocket.go(fetch, number) end

-- Somebody who is not to be trusted, and says why.
usocket.go(function()
    local s = ok(usocket.connect("127.0.0.1", port))
    local good, why, code = s:tls(client, "other.example")
    assert(not good and code < -10000, why)
    print("refused: " .. why)
    s:close()
end)

-- One coroutine closes what another waits for.
usocket.go(function()
    local idle = ok(usocket.listen("127.0.0.1", 0))
    usocket.go(function()
        local s, why = idle:accept()
        assert(not s, "accepted")
        print("closed: " .. why)
    end)
    usocket.sleep(0.02)
    idle:close()
end)

usocket.run()
assert(fetched == CLIENTS)
print(fetched .. " pages of " .. #PAGE .. " bytes")
