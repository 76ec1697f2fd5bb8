-- http-request lua.tollhouse URL NAMES
-- Asks Tollhouse about the request and answers what is not allowed. Without an answer: 503.
-- NAMES: header names, separated by commas, that an allowed request takes from the answer.

local NOT_FORWARDED = { "host", "connection", "content-length", "transfer-encoding", "expect", "te", "upgrade" }
local NOT_RETURNED = { "connection", "content-length", "transfer-encoding", "date", "server" }

local function without(headers, names)
    for _, name in ipairs(names) do
        headers[name] = nil
    end
    return headers
end

-- From HAProxy's lists, which count from 0, to those that its HTTP client takes.
local function question(txn)
    local headers = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        headers[name] = {}
        for at = 0, #values do
            headers[name][at + 1] = values[at]
        end
    end
    without(headers, NOT_FORWARDED)
    headers["x-forwarded-method"] = { txn.f:method() }
    headers["x-forwarded-uri"] = { txn.f:pathq() }
    headers["x-forwarded-host"] = { txn.f:req_fhdr("host") }
    headers["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
    headers["x-forwarded-for"] = { txn.f:src() }
    return headers
end

local function refuse(txn, status, headers, body)
    local reply = txn:reply({ status = status })
    for name, values in pairs(without(headers, NOT_RETURNED)) do
        for at = 0, #values do
            reply:add_header(name, values[at])
        end
    end
    reply:set_body(body)
    txn:done(reply)
end

core.register_action("tollhouse", { "http-req" }, function(txn, url, names)
    local answer = core.httpclient():get({ url = url, headers = question(txn), timeout = 5000 })
    local status = answer and answer.status or 0
    if status ~= 200 then
        local answered = status >= 300
        return refuse(txn, answered and status or 503, answered and answer.headers or {}, answered and answer.body or "")
    end
    for name in names:gmatch("[^,]+") do
        txn.http:req_del_header(name)
        local values = answer.headers[name]
        if values then
            txn.http:req_add_header(name, values[0])
        end
    end
end, 2)
