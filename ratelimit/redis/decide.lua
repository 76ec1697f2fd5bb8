-- Decides a batch: per decision, check all counters, then add to all of them or to none.
--
-- KEYS    the counters of all decisions, one after the other; a key may come more than once.
-- ARGV[1] "" for the server's time, or microseconds since the Unix epoch (tests).
-- ARGV[2…] one decision each, little-endian:
--   head, 4 bytes: mode (0 check and add, 1 check, 2 add), 0, number of counters (16 bits);
--   per counter, 72 bytes: algorithm, flags (1 binding, 2 always, 4 give back, 8 give back a lease,
--   16 begin anew with amount), 6 zero bytes, then doubles: amount, max_value, window, burst (0: max_value), the calendar
--   window's start, its end, the end of the next one, lease wanted (flag 8: the end of the window in
--   which the lease was granted).
-- Reply   one string; per decision, 4 bytes: status (0 fits, 1 refused, 2 failed), 0, number of
--   counters; per counter, 48 bytes: fits, 7 zero bytes, then doubles: remaining, reset, retry
--   (-1: never), lease granted, end of the running window (0: none).
--
-- Times are microseconds, numbers integers below 2^53, where they saturate. A decision fails alone
-- when one of its keys holds something that is no counter; errors of the server fail the batch.
--
-- State of a counter, one string, its first byte the algorithm, then doubles:
--   1 fixed, 2 aligned, 3 calendar window: value, expiry
--   4 sliding window: start, window, value of the window before, value of this window
--   5 token bucket: time at which it is full, and in 1 / max_value microseconds more; max_value,
--     window
--   6 concurrency: pairs of expiry and slots, ascending
-- Every key expires with what it counts.
--
-- A lease is added to the counter by a decision that passes: at most an eighth of what remains after
-- it, and nothing where that is below 8, so that the last of a limit is never held by one process.
-- What is given back of a lease counts only while the window in which it was granted runs.

local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max
local unpack_list = unpack
local pack, unpack = struct.pack, struct.unpack
local MAX = 2 ^ 53 - 1
local NEVER = -1
local LONG_AGO = -MAX
local LEASE_SHARE, SMALLEST_LEASE = 8, 8

-- A clock that is given may stand still: its keys get a minute more.
local now, grace_ms = tonumber(ARGV[1]), 60000
if not now then
  local time = redis.call('TIME')
  now, grace_ms = time[1] * 1000000 + time[2], 0
end

-- floor(a * b / c) and the remainder, exact; the quotient saturates. c > 0.
local function muldiv(a, b, c)
  local product = a * b
  if product <= MAX then
    local rest = product % c
    return (product - rest) / c, rest
  end
  if a > b then a, b = b, a end
  local whole, part = floor(b / c), b % c
  local quotient, rest, left = 0, 0, a
  local _, exponent = math.frexp(a)
  local bit = 2 ^ (exponent - 1)
  while bit >= 1 do
    quotient = quotient + quotient
    if rest >= c - rest then
      rest, quotient = rest - (c - rest), quotient + 1
    else
      rest = rest + rest
    end
    if left >= bit then
      left = left - bit
      if rest >= c - part then
        rest, quotient = rest - (c - part), quotient + 1
      else
        rest = rest + part
      end
    end
    bit = bit / 2
  end
  return min(quotient + a * whole, MAX), rest
end

local function divide_up(a, b, c)
  local quotient, rest = muldiv(a, b, c)
  return rest > 0 and quotient + 1 or quotient
end

-- Per algorithm: fresh() is the state of a counter that does not exist; used(state, quota) rolls the state to now and returns what is taken and the reset;
-- retry(state, quota, room) the wait until at most `room` is taken; add(state, quota, amount) and
-- give(state, quota, amount) change it; running(state) is the end of the running window; life(state)
-- is what is left of it all.

local function window_end(quota)
  if quota.algorithm == 1 then return now + quota.window end
  if quota.algorithm == 2 then return now - now % quota.window + quota.window end
  -- The calendar comes from the caller's clock, which may be on the other side of a boundary.
  if now < quota.calendar_start then return quota.calendar_start end
  if now < quota.calendar_end then return quota.calendar_end end
  if now < quota.calendar_next then return quota.calendar_next end
  return now + max(quota.calendar_next - quota.calendar_end, 1)
end

local window = {}
function window.used(state, quota)
  if state.expiry > now then return state.value, state.expiry - now end
  state.value, state.expiry = 0, 0
  if quota.algorithm ~= 3 and quota.window == 0 then return 0, 0 end
  return 0, window_end(quota) - now
end
function window.retry(state) return state.expiry - now end
function window.add(state, quota, amount)
  if state.expiry <= now then
    if quota.algorithm ~= 3 and quota.window == 0 then return end
    state.expiry, state.opened = window_end(quota), true
  end
  state.value = min(state.value + amount, MAX)
end
function window.give(state, quota, amount) state.value = max(state.value - amount, 0) end
function window.running(state) return state.expiry > now and state.expiry or 0 end
function window.life(state) return state.expiry - now end
function window.fresh(algorithm) return {algorithm = algorithm, value = 0, expiry = 0} end
function window.decode(text)
  local algorithm, value, expiry = unpack('<Bdd', text)
  return {algorithm = algorithm, value = value, expiry = expiry}
end
function window.encode(state) return pack('<Bdd', state.algorithm, state.value, state.expiry) end

local sliding = {}
function sliding.used(state, quota)
  local size = quota.window
  if state.window ~= size or now >= state.start + 2 * size then
    state.start, state.window, state.before, state.value = LONG_AGO, size, 0, 0
    return 0, size
  end
  if now >= state.start + size then
    state.start, state.before, state.value = state.start + size, state.value, 0
  end
  if state.before == 0 and state.value == 0 then
    state.start = LONG_AGO
    return 0, size
  end
  local left = state.start + size - now
  return muldiv(state.before, left, size) + state.value, left
end
function sliding.retry(state, quota, room)
  local size, left = state.window, state.start + state.window - now
  if room >= state.value then
    return left - divide_up(room - state.value + 1, size, state.before) + 1
  end
  return left + size - divide_up(room + 1, size, state.value) + 1
end
function sliding.add(state, quota, amount)
  if quota.window == 0 then return end
  if state.start == LONG_AGO then state.start = now end
  state.value = min(state.value + amount, MAX)
end
function sliding.give(state, quota, amount)
  local older = max(amount - state.value, 0)
  state.value = max(state.value - amount, 0)
  state.before = max(state.before - older, 0)
end
function sliding.running(state)
  return state.start > LONG_AGO and state.start + state.window or 0
end
function sliding.life(state)
  return state.start + state.window * (state.value > 0 and 2 or 1) - now
end
function sliding.fresh()
  return {algorithm = 4, start = LONG_AGO, window = 0, before = 0, value = 0}
end
function sliding.decode(text)
  local _, start, size, before, value = unpack('<Bdddd', text)
  return {algorithm = 4, start = start, window = size, before = before, value = value}
end
function sliding.encode(state)
  return pack('<Bdddd', 4, state.start, state.window, state.before, state.value)
end

-- `full` and `fraction` / `rate`: when the bucket is full again.
local bucket = {}
function bucket.used(state, quota)
  local size, rate = quota.window, quota.max_value
  if state.full < now or rate == 0 or size == 0 then
    state.full, state.fraction, state.rate, state.window = now, 0, rate, size
    return 0, 0
  end
  if state.full >= MAX then return quota.capacity, state.full - now end
  if state.rate ~= rate then
    state.fraction = min(divide_up(state.fraction, rate, state.rate), rate - 1)
    state.rate = rate
  end
  state.window = size
  local whole, rest = muldiv(state.full - now, rate, size)
  local more = state.fraction % size
  whole = whole + (state.fraction - more) / size + ceil((rest + more) / size)
  return whole, bucket.life(state)
end
function bucket.retry(state, quota, room)
  local wait, fraction = muldiv(room, quota.window, quota.max_value)
  return state.full - now - wait + (state.fraction > fraction and 1 or 0)
end
function bucket.add(state, quota, amount)
  local rate = quota.max_value
  if rate == 0 or quota.window == 0 then return end
  local wait, fraction = muldiv(amount, quota.window, rate)
  if state.fraction >= rate - fraction then
    state.fraction, wait = state.fraction - (rate - fraction), wait + 1
  else
    state.fraction = state.fraction + fraction
  end
  state.full = min(state.full + wait, MAX)
end
function bucket.give(state, quota, amount)
  local rate = quota.max_value
  if rate == 0 or quota.window == 0 then return end
  local wait, fraction = muldiv(amount, quota.window, rate)
  if state.fraction < fraction then
    state.fraction, wait = state.fraction + (rate - fraction), wait + 1
  else
    state.fraction = state.fraction - fraction
  end
  state.full = state.full - wait
  if state.full < now then state.full, state.fraction = now, 0 end
end
function bucket.running() return 0 end
function bucket.life(state) return state.full - now + (state.fraction > 0 and 1 or 0) end
-- As if the hit were charged, which another one of its decision prevents.
function bucket.life_after(state, quota)
  local full, fraction = state.full, state.fraction
  local change = quota.gives and bucket.give or bucket.add
  change(state, quota, quota.amount)
  local life = bucket.life(state)
  state.full, state.fraction = full, fraction
  return life
end
function bucket.fresh() return {algorithm = 5, full = 0, fraction = 0, rate = 0, window = 0} end
function bucket.decode(text)
  local _, full, fraction, rate, size = unpack('<Bdddd', text)
  return {algorithm = 5, full = full, fraction = fraction, rate = rate, window = size}
end
function bucket.encode(state)
  return pack('<Bdddd', 5, state.full, state.fraction, state.rate, state.window)
end

-- `expiries` and `counts`: slots in flight by the end of their lease, ascending.
local slots = {}
function slots.used(state, quota)
  local expiries, counts, sum = state.expiries, state.counts, 0
  while expiries[1] and expiries[1] <= now do
    table.remove(expiries, 1)
    table.remove(counts, 1)
  end
  for i = 1, #counts do sum = sum + counts[i] end
  return sum, sum > 0 and expiries[#expiries] - now or quota.window
end
function slots.retry(state, quota, room)
  local sum = 0
  for i = 1, #state.counts do sum = sum + state.counts[i] end
  for i = 1, #state.counts do
    sum = sum - state.counts[i]
    if sum <= room then return state.expiries[i] - now end
  end
end
function slots.add(state, quota, amount)
  if quota.window == 0 then return end
  local grain = ceil(quota.window / 32)
  local expiry = ceil((now + quota.window) / grain) * grain
  local expiries, at = state.expiries, #state.expiries + 1
  while at > 1 and expiries[at - 1] >= expiry do at = at - 1 end
  if expiries[at] == expiry then
    state.counts[at] = min(state.counts[at] + amount, MAX)
  else
    table.insert(expiries, at, expiry)
    table.insert(state.counts, at, amount)
  end
end
function slots.give(state, quota, amount)
  while amount > 0 and state.counts[1] do
    local freed = min(amount, state.counts[1])
    amount, state.counts[1] = amount - freed, state.counts[1] - freed
    if state.counts[1] == 0 then
      table.remove(state.expiries, 1)
      table.remove(state.counts, 1)
    end
  end
end
slots.running = bucket.running
function slots.life(state) return (state.expiries[#state.expiries] or now) - now end
function slots.fresh() return {algorithm = 6, expiries = {}, counts = {}} end
function slots.decode(text)
  local state, at = slots.fresh(), 2
  while at < #text do
    state.expiries[#state.expiries + 1], state.counts[#state.counts + 1], at =
      unpack('<dd', text, at)
  end
  return state
end
function slots.encode(state)
  local parts = {string.char(6)}
  for i = 1, #state.counts do parts[i + 1] = pack('<dd', state.expiries[i], state.counts[i]) end
  return table.concat(parts)
end

local algorithms = {window, window, window, sliding, bucket, slots}
local sizes = {17, 17, 17, 33, 33}

-- States are read once per batch and written once, at its end. `false`: no counter of ours.
local states, changed = {}, {}

-- All at once; MGET reads nothing where there is no string, so what is not found is asked alone.
local texts = {}
for first = 1, #KEYS, 1000 do
  local last = min(first + 999, #KEYS)
  local found = redis.call('MGET', unpack_list(KEYS, first, last))
  for i = first, last do texts[KEYS[i]] = found[i - first + 1] end
end

local function decoded(text)
  local algorithm = string.byte(text) or 0
  if #text == (sizes[algorithm] or (algorithm == 6 and #text % 16 == 1 and #text)) then
    local state = algorithms[algorithm].decode(text)
    state.stored = true
    return state
  end
  return false
end

-- The state, false, or nil and the error that ends the batch.
local function find(key, algorithm)
  local state = states[key]
  if state == nil then
    local text = texts[key] or redis.pcall('GET', key)
    if not text then
      state = algorithms[algorithm].fresh(algorithm)
    elseif type(text) == 'string' then
      state = decoded(text)
    elseif string.find(text.err, 'WRONGTYPE', 1, true) then
      state = false
    else
      return nil, text
    end
  end
  if state and state.algorithm ~= algorithm then state = algorithms[algorithm].fresh(algorithm) end
  states[key] = state
  return state
end

local CHECK, ADD = 1, 2

local function check(hit, mode)
  local algorithm = algorithms[hit.algorithm]
  local used
  used, hit.reset = algorithm.used(hit.state, hit)
  hit.granted, hit.retry, hit.fits = 0, 0, hit.gives or used + hit.amount <= hit.capacity
  if not hit.fits then
    hit.retry = NEVER
    if hit.amount <= hit.capacity then
      hit.retry = algorithm.retry(hit.state, hit, hit.capacity - hit.amount)
    end
  end
  local shown = used
  if mode ~= CHECK and (hit.fits or not hit.always) then
    shown = hit.gives and max(used - hit.amount, 0) or used + hit.amount
  end
  hit.remaining = max(hit.capacity - shown, 0)
  return hit.fits or not hit.binding
end

local function charge(hit)
  local algorithm = algorithms[hit.algorithm]
  if not hit.gives then
    algorithm.add(hit.state, hit, hit.amount)
  elseif not hit.gives_lease or algorithm.running(hit.state) == hit.lease then
    algorithm.give(hit.state, hit, hit.amount)
  end
  changed[hit.key] = hit.state
end

local function grant(hit)
  local lease = floor(min(hit.lease, hit.remaining / LEASE_SHARE))
  if hit.gives or hit.algorithm == 6 or lease < SMALLEST_LEASE then return end
  hit.granted = lease
  algorithms[hit.algorithm].add(hit.state, hit, lease)
  changed[hit.key] = hit.state
end

local function settle(hit, mode, passes)
  local charged = mode == ADD or passes or hit.always
  if charged then
    if hit.amount > 0 then charge(hit) end
    if hit.lease > 0 and (mode == ADD or passes) then grant(hit) end
  end
  if hit.algorithm == 5 and hit.fits then
    hit.reset = charged and bucket.life(hit.state) or bucket.life_after(hit.state, hit)
  end
end

local hits, at_key = {}, 0

local replies = {}
local heads = {[0] = {}, {}, {}}

local function say_head(status, count)
  local head = heads[status][count]
  if not head then
    head = pack('<BBH', status, 0, count)
    heads[status][count] = head
  end
  replies[#replies + 1] = head
end

-- One decision; returns the error that ends the batch.
local function decide(text)
  local mode, _, count, at = unpack('<BBH', text)
  local known, passes = true, true
  for i = 1, count do
    local hit = hits[i] or {}
    hits[i] = hit
    local flags
    hit.algorithm, flags, hit.amount, hit.max_value, hit.window, hit.burst, hit.calendar_start,
      hit.calendar_end, hit.calendar_next, hit.lease, at = unpack('<BBxxxxxxdddddddd', text, at)
    hit.binding, hit.always = flags % 2 == 1, flags % 4 >= 2
    hit.gives, hit.gives_lease, hit.sets = flags % 8 >= 4, flags % 16 >= 8, flags >= 16
    hit.capacity = hit.max_value
    if hit.algorithm == 5 and hit.max_value > 0 and hit.burst > 0 then hit.capacity = hit.burst end
    hit.key = KEYS[at_key + i]
    local failure
    hit.state, failure = find(hit.key, hit.algorithm)
    if failure then return failure end
    if hit.sets and hit.state then
      hit.state = algorithms[hit.algorithm].fresh(hit.algorithm)
      states[hit.key], changed[hit.key] = hit.state, hit.state
    end
    known = known and hit.state
  end
  at_key = at_key + count
  if not known then
    say_head(2, count)
    replies[#replies + 1] = string.rep('\0', 48 * count)
    return
  end
  for i = 1, count do passes = check(hits[i], mode) and passes end
  say_head(passes and 0 or 1, count)
  for i = 1, count do
    local hit = hits[i]
    if mode ~= CHECK then settle(hit, mode, passes) end
    replies[#replies + 1] = pack('<Bxxxxxxxddddd', hit.fits and 1 or 0, hit.remaining, hit.reset,
      hit.retry, hit.granted, algorithms[hit.algorithm].running(hit.state))
  end
end

for i = 2, #ARGV do
  local failure = decide(ARGV[i])
  if failure then return failure end
end

for key, state in pairs(changed) do
  local algorithm = algorithms[state.algorithm]
  local life, outcome = algorithm.life(state), nil
  if life <= 0 then
    outcome = redis.pcall('DEL', key)
  elseif state.stored and not state.opened and algorithm == window then
    outcome = redis.pcall('SET', key, algorithm.encode(state), 'KEEPTTL')
  else
    outcome = redis.pcall('SET', key, algorithm.encode(state), 'PX', ceil(life / 1000) + grace_ms)
  end
  if type(outcome) == 'table' and outcome.err then return outcome end
end
return table.concat(replies)
