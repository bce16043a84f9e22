-- The requests of one route for wrk; what and where comes by the environment.
--   BENCH_KIND    paths | create | bulk | patch
--   BENCH_PATHS   file with one path a line (paths), or the address (the others)
--   BENCH_TOKEN   sent as Bearer; BENCH_NONCE makes e-mails new; BENCH_START first row
--   BENCH_IF_MATCH  pattern of the ETag of a row, %s the id; without it the version
--                   goes in the body

local kind = os.getenv("BENCH_KIND")
local address = os.getenv("BENCH_PATHS")
local nonce = os.getenv("BENCH_NONCE") or "n"
local if_match = os.getenv("BENCH_IF_MATCH")
local rows = 100000
local n = tonumber(os.getenv("BENCH_START") or "0")
local prepared = {}

local headers = { ["Content-Type"] = "application/json" }
if os.getenv("BENCH_TOKEN") then
  headers["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")
end

local function customer(number)
  return '{"email":"' .. nonce .. "-" .. number .. '@example.org","name":"Ada Lovelace",'
    .. '"city":"city-' .. number % 100 .. '","credit":"12.50","active":true}'
end

local make = {}

function make.paths()
  local found = prepared[n % #prepared + 1]
  n = n + 1
  return found
end

function make.create()
  n = n + 1
  return wrk.format("POST", address, headers, customer(n))
end

function make.bulk()
  local items = {}
  for i = 1, 100 do
    n = n + 1
    items[i] = customer(n)
  end
  local body = '{"items":[' .. table.concat(items, ",") .. "]}"
  return wrk.format("POST", address .. "/bulk", headers, body)
end

function make.patch()
  local id = string.format("01900000-0000-7000-8000-%012x", n % rows + 1)
  n = n + 1
  local body = '{"name":"Grace Hopper"}'
  if if_match then
    headers["If-Match"] = string.format(if_match, id)
  else
    body = '{"name":"Grace Hopper","version":1}'
  end
  return wrk.format("PATCH", address .. "/" .. id, headers, body)
end

function init(_)
  if kind == "paths" then
    for path in io.lines(address) do
      prepared[#prepared + 1] = wrk.format("GET", path, headers)
    end
  end
end

request = make[kind]

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"seconds":%.6f,"p50_ms":%.4f,"p99_ms":%.4f,"errors":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
