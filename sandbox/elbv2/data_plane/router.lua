-- Routes the requests of one ALB listener. Its table (written by table.py) is replaced as a whole, between two requests,
-- on the command "alb load" of the admin socket. There is no reload, so no connection ends and no request sees half a change.

local path_of_table = ...
local listener
local turns = {}  -- target group label -> which target got the last request
local ERROR_PAGE = "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n</body>\r\n</html>\r\n"

local function load_table()
  local chunk, problem = loadfile(path_of_table, "t", {})
  if not chunk then return problem end
  listener = chunk()
end

-- "*" is any number of characters, "?" exactly one. On a mismatch only the last "*" takes one more character, so this is
-- never exponential, as a Lua pattern of many ".*" would be.
local function like(pattern, text, escapes)
  local p, t, star, mark = 1, 1, nil, nil
  while t <= #text do
    local c = pattern:byte(p)
    local literal = false
    local width = 1
    if escapes and c == 92 and p < #pattern then  -- ELBv2's escape for a literal "*" in a query string
      c, literal, width = pattern:byte(p + 1), true, 2
    end
    if c == 42 and not literal then
      star, mark, p = p, t, p + 1
    elseif c and ((c == 63 and not literal) or c == text:byte(t)) then
      p, t = p + width, t + 1
    elseif star then
      mark = mark + 1
      p, t = star + 1, mark
    else
      return false
    end
  end
  while pattern:byte(p) == 42 do p = p + 1 end
  return p > #pattern
end

local function any_like(patterns, text, escapes)
  for _, pattern in ipairs(patterns) do
    if like(pattern, text, escapes) then return true end
  end
  return false
end

-- HAProxy's own regular expressions: a text that matches any of them comes back changed.
local function any_regex(regexes, text, txn)
  for _, regex in ipairs(regexes) do
    if txn.sc:regsub(text, regex, "\1") ~= text then return true end
  end
  return false
end

local function number_of(address)
  local a, b, c, d = address:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  return a and ((a * 256 + b) * 256 + c) * 256 + d
end

local matches = {}

function matches.path(condition, txn)
  local path = txn.sf:path() or ""
  return any_like(condition.values, path) or any_regex(condition.regexes, path, txn)
end

function matches.host(condition, txn)
  local host = (txn.sf:req_fhdr("host") or ""):lower():gsub(":%d+$", "")
  return any_like(condition.values, host) or any_regex(condition.regexes, host, txn)
end

function matches.header(condition, txn)
  for _, text in pairs(txn.http:req_get_headers()[condition.name] or {}) do
    if any_like(condition.values, text:lower()) or any_regex(condition.regexes, text, txn) then return true end
  end
  return false
end

function matches.method(condition, txn)
  local method = txn.sf:method()
  for _, value in ipairs(condition.values) do
    if value == method then return true end
  end
  return false
end

function matches.query(condition, txn)
  for pair in (txn.sf:query() or ""):lower():gmatch("[^&]+") do
    local key, value = pair:match("^([^=]*)=?(.*)$")
    for _, wanted in ipairs(condition.values) do
      if like(wanted.value, value, true) and (not wanted.key or like(wanted.key, key, true)) then return true end
    end
  end
  return false
end

function matches.source(condition, txn)
  local source = number_of(txn.sf:src())
  for _, block in ipairs(condition.values) do
    if source and block.first <= source and source <= block.last then return true end
  end
  return false
end

local function applies(rule, txn)
  for _, condition in ipairs(rule.conditions) do
    if not matches[condition.field](condition, txn) then return false end
  end
  return true
end

local function answer(txn, status, headers, body)
  local reply = txn:reply{ status = status }
  reply:add_header("server", "awselb/2.0")
  for name, value in pairs(headers) do reply:add_header(name, value) end
  if body then reply:set_body(body) end
  txn:done(reply)
end

local function no_target(txn)
  local title = "503 Service Temporarily Unavailable"
  txn:set_var("txn.did", "none")
  answer(txn, 503, { ["content-type"] = "text/html" }, ERROR_PAGE:format(title, title))
end

local function choose_group(rule)
  local drawn = math.random(rule.total)
  for _, share in ipairs(rule.shares) do
    drawn = drawn - share.weight
    if drawn <= 0 then return share.group end
  end
end

local act = {}

function act.forward(rule, txn)
  if rule.total == 0 then return no_target(txn) end
  local group = choose_group(rule)
  local targets = listener.groups[group]
  if #targets == 0 then return no_target(txn) end
  local turn = (turns[group] or math.random(#targets)) % #targets + 1
  turns[group] = turn
  txn:set_var("txn.did", "forward")
  txn:set_var("txn.group", group)
  txn:set_var("txn.address", targets[turn].address)
  txn:set_var("txn.port", targets[turn].port)
  txn:set_var("txn.idle", listener.idle)
end

act["fixed-response"] = function(rule, txn)
  txn:set_var("txn.did", "fixed")
  answer(txn, rule.status, { ["content-type"] = rule.type }, rule.body)
end

function act.redirect(rule, txn)
  local known = {
    protocol = "http",
    host = (txn.sf:req_fhdr("host") or ""):gsub(":%d+$", ""),
    port = tostring(listener.port),
    path = (txn.sf:path() or "/"):sub(2),
    query = txn.sf:query() or "",
  }
  local function fill(text) return (text:gsub("#{(%l+)}", known)) end
  local location = fill(rule.protocol):lower() .. "://" .. fill(rule.host) .. ":" .. fill(rule.port) .. fill(rule.path)
  local query = fill(rule.query)
  if query ~= "" then location = location .. "?" .. query end
  txn:set_var("txn.did", "redirect")
  answer(txn, rule.status, { location = location })
end

local LONGEST_HEADER = 16384

core.register_action("check_headers", { "http-req" }, function(txn)
  for name, values in pairs(txn.http:req_get_headers()) do
    for _, value in pairs(values) do
      if #name + #value > LONGEST_HEADER then txn:set_var("txn.large", 1) end
    end
  end
end, 0)

core.register_action("route", { "http-req" }, function(txn)
  for _, rule in ipairs(listener.rules) do
    if applies(rule, txn) then return act[rule.action](rule, txn) end
  end
end, 0)

core.register_cli({ "alb", "load" }, "alb load : load the routing table", function(applet)
  applet:send((load_table() or "ok") .. "\n")
end)

core.register_task(function() core.log(core.info, "ready") end)

local problem = load_table()
if problem then error(problem) end
