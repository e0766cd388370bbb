#!lua name=recs

-- What moves a version of a snapshot into a channel, and back out of it
-- (docs/publishing.md shows its use), and what changes a set of ids together
-- with its feed (docs/inventory.md).  A library for Redis 7 or later, in one file
-- as Redis loads a library as one:
--
--     redis-cli -x FUNCTION LOAD REPLACE <conf/recs.lua
--
-- For a snapshot whose prefix is "home":
--
--     FCALL recs_publish 4 {home}:channel:active {home}:history
--         {home}:rolled_back {home}:v124:meta
--         v124 [min_coverage=99%] [restore=yes] [who=NAME]
--     FCALL recs_rollback 3 {home}:channel:active {home}:history
--         {home}:rolled_back [from=VERSION] [who=NAME]
--     FCALL recs_rollback 4 {home}:channel:active {home}:history
--         {home}:rolled_back {home}:v122:meta
--         v122 [from=VERSION] [who=NAME]
--     FCALL_RO recs_history 1 {home}:history [COUNT]
--
-- All keys of a snapshot but its rows have the tag {home}, so that a cluster
-- has them in one slot.
--
-- For a set whose key is "stock", and its feed:
--
--     FCALL recs_add 2 stock {stock}:feed [maxlen=N] [--] ID...
--     FCALL recs_add 2 seen {seen}:feed type=zset|hash [maxlen=N] [--]
--         SCORE ID...
--     FCALL recs_remove 2 stock {stock}:feed [maxlen=N] [--] ID...
--
-- A call writes all that it should, or answers with an error and writes
-- nothing.  Errors begin with
--
--     ERR         a call that is wrong, or that this user may not make
--     INCOMPLETE  not all is written yet: the same call may succeed later
--     REFUSED     the version is not fit to show
--     NOVERSION   a channel has no version (any more) to leave or to go to


local HISTORY = 1000            -- entries kept
local NAME = 64                 -- bytes of a version or a channel
local TEXT = 127                -- bytes of a model's name...
local AHEAD = 86400             -- s that a writer's clock may be fast
local COVERAGE = '99%'

local MAXLEN = '100000'         -- entries that a feed keeps, about
local ENTRY = 1000              -- ids in one of them


-- Errors.  fail() ends a function from any depth.

local function fail(code, format, ...)
    error(code .. ' ' .. string.format(format, ...), 0)
end


-- In messages: no control characters, and not without end.

local function shown(text)
    text = string.gsub(text, '[^\32-\126]', '?')

    if #text > TEXT then
        text = string.sub(text, 1, TEXT) .. '...'
    end

    return text
end


-- Makes the reply of what fail() or redis.call() said: CODE NAME: TEXT.

local function guarded(name, callback)
    return function(keys, args)
        local ok, reply = pcall(callback, keys, args)

        if ok then
            return reply
        end

        -- An error of redis.call() is a table in some versions.
        local message = type(reply) == 'table' and reply.err or reply
        local code, text = string.match(message, '^%-?(%u+) (.*)$')

        return redis.error_reply(string.format('%s %s: %s', code or 'ERR',
                                               name, text or message))
    end
end


-- Arguments.  After those that stand at a place come name=value, in any order;
-- last may be nil.

local function options(args, first, known, last)
    local found = {}

    for i = first, last or #args do
        local name, value = string.match(args[i], '^([%a_]+)=(.*)$')

        if not name or not known[name] then
            fail('ERR', 'argument "%s" is not known', shown(args[i]))
        end

        if found[name] then
            fail('ERR', '%s= comes twice', name)
        end

        if value == '' then
            fail('ERR', '%s= is empty', name)
        end

        found[name] = value
    end

    return found
end


-- A version is a part of keys, of headers and of log lines.

local function check_version(version)
    if not version or version == '' then
        fail('ERR', 'the version is missing')
    end

    if #version > NAME or string.find(version, '[^%w._-]') then
        fail('ERR', 'version "%s": letters, digits and "._-" make one, '
             .. 'at most %d', shown(version), NAME)
    end

    return version
end


local function check_who(who)
    if who and (#who > TEXT or string.find(who, '%c')) then
        fail('ERR', 'who=%s: at most %d bytes without control characters',
             shown(who), TEXT)
    end

    return who
end


-- Hundredths of a percent: 9950 of "99.5%".

local function check_coverage(text)
    local whole, part = string.match(text, '^(%d+)%.?(%d?%d?)%%$')

    if not whole then
        fail('ERR', 'min_coverage=%s: a percentage like 99%% or 99.5%%',
             shown(text))
    end

    local value = tonumber(whole) * 100 + tonumber(string.sub(part .. '00',
                                                              1, 2))

    if #whole > 3 or value > 10000 then
        fail('ERR', 'min_coverage=%s is more than 100%%', shown(text))
    end

    return value
end


-- Keys.  The channel's says the prefix, and the others have to belong to it.

local function same_key(keys, i, want)
    if keys[i] ~= want then
        fail('ERR', 'key %d is "%s", not "%s"', i, shown(keys[i]), want)
    end
end


local function check_type(key, want)
    local is = redis.call('TYPE', key).ok

    if is ~= want and is ~= 'none' then
        fail('ERR', '"%s" is a %s, not a %s', key, is, want)
    end
end


-- version may be nil: then there is no fourth key.

local function snapshot(keys, version)
    local n = version and 4 or 3

    if #keys ~= n then
        fail('ERR', '%d keys are needed: {P}:channel:C {P}:history '
             .. '{P}:rolled_back%s', n,
             version and ' {P}:' .. version .. ':meta' or '')
    end

    local prefix, channel = string.match(keys[1],
                                         '^{([^{}]+)}:channel:([%w._-]+)$')

    if not prefix or #channel > NAME then
        fail('ERR', 'key 1 is "%s", not like "{home}:channel:active"',
             shown(keys[1]))
    end

    local tag = '{' .. prefix .. '}:'

    same_key(keys, 2, tag .. 'history')
    same_key(keys, 3, tag .. 'rolled_back')

    if version then
        same_key(keys, 4, tag .. version .. ':meta')
    end

    check_type(keys[1], 'string')
    check_type(keys[2], 'list')
    check_type(keys[3], 'set')

    return { prefix = prefix, channel = channel, pointer = keys[1],
             history = keys[2], rolled_back = keys[3],
             active = redis.call('GET', keys[1]) }
end


-- A version's descriptor, in the slot of the other keys by its tag.

local function descriptor_key(s, version)
    return '{' .. s.prefix .. '}:' .. version .. ':meta'
end


local function now()
    local time = redis.call('TIME')

    return tonumber(time[1]), tonumber(time[2])
end


-- Descriptors.  What a reader needs to adopt a version; that it can't use is
-- refused here, where somebody looks.

local function check_text(version, meta, field)
    local value = meta[field]

    if not value or value == '' then
        fail('REFUSED', '%s has no %s', version, field)
    end

    if #value > TEXT or string.find(value, '[^\32-\126]') then
        fail('REFUSED', '%s has %s "%s": at most %d bytes of printable ASCII',
             version, field, shown(value), TEXT)
    end
end


local function check_number(version, meta, field)
    local value = meta[field]

    if not value or value == '' then
        fail('REFUSED', '%s has no %s', version, field)
    end

    if #value > 12 or string.find(value, '%D') then
        fail('REFUSED', '%s has %s "%s": a whole number', version, field,
             shown(value))
    end

    return tonumber(value)
end


-- Days since 1970-01-01 of a date of the Gregorian calendar.

local function days(year, month, day)
    local m = (month + 9) % 12          -- from March on
    local y = month > 2 and year or year - 1

    return 365 * y + math.floor(y / 4) - math.floor(y / 100)
           + math.floor(y / 400) + math.floor((153 * m + 2) / 5) + day - 719469
end


-- RFC 3339, or nil.

local function date(text)
    local year, month, day, hour, minute, second, zone = string.match(text,
        '^(%d%d%d%d)-(%d%d)-(%d%d)[Tt](%d%d):(%d%d):(%d%d)(.*)$')

    if not year then
        return nil
    end

    zone = string.gsub(zone, '^%.%d+', '')

    local sign, hours, minutes = string.match(zone, '^([+-])(%d%d):(%d%d)$')

    if not sign and zone ~= 'Z' and zone ~= 'z' then
        return nil
    end

    local offset = sign and (hours * 60 + minutes) * 60 or 0

    return days(tonumber(year), tonumber(month), tonumber(day)) * 86400
           + hour * 3600 + minute * 60 + second
           - (sign == '-' and -offset or offset)
end


local function check_age(version, meta)
    local made = date(meta.generated_at or '')
                 or check_number(version, meta, 'generated_at')
    local life = meta.max_age and check_number(version, meta, 'max_age')
    local time = now()

    if made > time + AHEAD then
        fail('REFUSED', '%s has generated_at %s, which is to come: unix '
             .. 'seconds, or a date of RFC 3339', version, meta.generated_at)
    end

    if life == 0 then
        fail('REFUSED', '%s has max_age 0: one that does not expire has none',
             version)
    end

    if life and made + life < time then
        fail('REFUSED', '%s expired %.0f s ago (generated_at %.0f, max_age '
             .. '%.0f)', version, time - made - life, made, life)
    end
end


-- Fails unless the version could be adopted.

local function check_descriptor(s, version)
    local key = descriptor_key(s, version)
    local meta = {}

    check_type(key, 'hash')

    local fields = redis.call('HGETALL', key)

    if #fields == 0 then
        fail('REFUSED', '%s has no descriptor: there is no "%s"', version, key)
    end

    for i = 1, #fields, 2 do
        meta[fields[i]] = fields[i + 1]
    end

    if meta.state ~= 'complete' then
        fail('INCOMPLETE', '%s has state "%s", not "complete"', version,
             shown(meta.state or ''))
    end

    check_text(version, meta, 'model')
    check_text(version, meta, 'schema')
    check_text(version, meta, 'features')
    check_age(version, meta)

    meta.expected = check_number(version, meta, 'expected')
    meta.written = check_number(version, meta, 'written')

    if meta.expected == 0 then
        fail('REFUSED', '%s expects no row', version)
    end

    return meta
end


local function check_written(version, meta, min)
    if meta.written * 10000 < min * meta.expected then
        fail('INCOMPLETE', '%s has %.0f of %.0f rows, %.2f%%; %.2f%% is needed',
             version, meta.written, meta.expected,
             math.floor(meta.written * 10000 / meta.expected) / 100, min / 100)
    end
end


local function rolled_back(s, version)
    return redis.call('SISMEMBER', s.rolled_back, version) == 1
end


-- A right that this user lacks would end a call in the middle of what it writes.
-- Before the first write it is asked for all of them.

local function check_right(...)
    local command, key = ...

    if not redis.acl_check_cmd(...) then
        fail('ERR', 'this user may not %s "%s"', command, shown(key))
    end
end


local function check_rights_to_move(s)
    check_right('SET', s.pointer, '')
    check_right('LPUSH', s.history, '')
    check_right('LTRIM', s.history, 0, -1)
    check_right('PUBLISH', s.prefix .. ':events', '')
end


-- The one place that moves a channel.

local function move(s, event, version, who)
    local seconds, micro = now()
    local text = cjson.encode

    redis.call('SET', s.pointer, version)

    redis.call('LPUSH', s.history, string.format(
        '{"time":%.0f.%03d,"event":%s,"channel":%s,"version":%s,'
        .. '"previous":%s,"who":%s}',
        seconds, math.floor(micro / 1000), text(event), text(s.channel),
        text(version), s.active and text(s.active) or 'null', text(who or '')))
    redis.call('LTRIM', s.history, 0, HISTORY - 1)

    redis.call('PUBLISH', s.prefix .. ':events', string.format(
        '{"channel":%s,"version":%s,"event":%s}',
        text(s.channel), text(version), text(event)))
end


-- Returns the version that was active before, or nil.  Publishing the active
-- one again changes nothing.  With restore= what was rolled back may return;
-- the history says so, as edges remember what was rolled back, too.

local function publish(keys, args)
    local version = check_version(args[1])
    local option = options(args, 2, { min_coverage = true, restore = true,
                                      who = true })
    local min = check_coverage(option.min_coverage or COVERAGE)
    local who = check_who(option.who)
    local s = snapshot(keys, version)
    local restore = option.restore

    if restore and restore ~= 'yes' then
        fail('ERR', 'restore=%s: it can only be "yes"', shown(restore))
    end

    if not restore and rolled_back(s, version) then
        fail('REFUSED', '%s was rolled back', version)
    end

    check_written(version, check_descriptor(s, version), min)

    if restore or s.active ~= version then
        check_rights_to_move(s)
    end

    if restore then
        redis.call('SREM', s.rolled_back, version)
        move(s, 'restore', version, who)

    elseif s.active ~= version then
        move(s, 'publish', version, who)
    end

    return s.active
end


-- The entries of the history that can be read, newest first.

local function entries(s)
    local list = redis.call('LRANGE', s.history, 0, -1)
    local i = 0

    return function()
        while i < #list do
            i = i + 1

            local ok, entry = pcall(cjson.decode, list[i])

            if ok and type(entry) == 'table'
               and type(entry.version) == 'string'
            then
                return entry
            end
        end
    end
end


-- The newest that was active in this channel and could be adopted again.

local function version_before(s)
    for entry in entries(s) do
        if entry.channel == s.channel and entry.version ~= s.active
           and not rolled_back(s, entry.version)
           and pcall(check_descriptor, s, entry.version)
        then
            return entry.version
        end
    end

    fail('NOVERSION', 'there is none before %s in channel %s that was not '
         .. 'rolled back and is still whole', s.active, s.channel)
end


-- Its coverage was checked when it was published: so it must have been.

local function check_target(s, version)
    if version == s.active then
        fail('ERR', '%s is the active version', version)
    end

    if rolled_back(s, version) then
        fail('REFUSED', '%s was rolled back', version)
    end

    check_descriptor(s, version)

    for entry in entries(s) do
        if entry.version == version then
            return
        end
    end

    fail('REFUSED', '%s was never published', version)
end


-- Returns the version that is active now.  from= protects from two people who
-- roll back the same version, one after the other.

local function rollback(keys, args)
    local target, first = args[1], 2

    if not target or string.find(target, '=') then
        target, first = nil, 1
    else
        check_version(target)
    end

    local option = options(args, first, { from = true, who = true })
    local who = check_who(option.who)
    local s = snapshot(keys, target)

    if not s.active then
        fail('NOVERSION', 'channel %s has no version', s.channel)
    end

    if option.from and option.from ~= s.active then
        fail('NOVERSION', 'channel %s has %s, not %s', s.channel,
             shown(s.active), shown(option.from))
    end

    if target then
        check_target(s, target)
    else
        target = version_before(s)
    end

    check_rights_to_move(s)

    redis.call('SADD', s.rolled_back, s.active)
    move(s, 'rollback', target, who)

    return target
end


-- The newest entries, as JSON, newest first.

local function history(keys, args)
    local count = args[1] or '10'

    if #keys ~= 1 or not string.find(keys[1], '^{[^{}]+}:history$') then
        fail('ERR', 'one key is needed, like "{home}:history"')
    end

    if #args > 1 or #count > 9 or not string.find(count, '^[1-9]%d*$') then
        fail('ERR', 'the one argument is how many entries, 1 or more')
    end

    check_type(keys[1], 'list')

    return redis.call('LRANGE', keys[1], 0, tonumber(count) - 1)
end


-- Inventories.  A set of ids (a SET, or a ZSET or HASH of ids with scores) and
-- its feed, a STREAM of what has changed in it.  Each entry has a seq, one more
-- than that before, so that readers see when they missed one.

-- What puts an id in; whether that changed anything.

local function put_set(key, id)
    return redis.call('SADD', key, id) == 1
end


local function put_zset(key, id, score)
    return redis.call('ZADD', key, 'CH', score, id) == 1
end


local function put_hash(key, id, score)
    if redis.call('HGET', key, id) == score then
        return false
    end

    redis.call('HSET', key, id, score)
    return true
end


local KINDS = {
    set = { put = put_set, remove = 'SREM' },
    zset = { put = put_zset, remove = 'ZREM', scores = true },
    hash = { put = put_hash, remove = 'HDEL', scores = true },
}


-- Characters beyond ASCII.

local UTF8 = {
    '[\194-\223][\128-\191]',
    '\224[\160-\191][\128-\191]',
    '[\225-\236\238\239][\128-\191][\128-\191]',
    '\237[\128-\159][\128-\191]',
    '\240[\144-\191][\128-\191][\128-\191]',
    '[\241-\243][\128-\191][\128-\191][\128-\191]',
    '\244[\128-\143][\128-\191][\128-\191]',
}


-- It has to fit into JSON.

local function check_id(id)
    if id == '' then
        fail('ERR', 'an id is empty')
    end

    local rest = id

    for i = 1, #UTF8 do
        if not string.find(rest, '[\128-\255]') then
            return
        end

        rest = string.gsub(rest, UTF8[i], ' ')
    end

    if string.find(rest, '[\128-\255]') then
        fail('ERR', 'id "%s" is not UTF-8', shown(id))
    end
end


-- A number of JSON.

local function check_score(text)
    local whole, rest = string.match(text, '^-?(%d+)(.*)$')

    rest = string.gsub(rest or '?', '^%.%d+', '')
    rest = string.gsub(rest, '^[eE][+-]?%d+$', '')

    if rest ~= '' or string.find(whole, '^0%d')
       or math.abs(tonumber(text)) == math.huge
    then
        fail('ERR', 'score "%s" is not a number', shown(text))
    end
end


-- 0: the feed is empty, or there is none.

local function last_seq(feed)
    local last = redis.call('XREVRANGE', feed, '+', '-', 'COUNT', 1)[1]
    local fields = last and last[2] or {}

    for i = 1, #fields, 2 do
        local value = fields[i + 1]

        if fields[i] == 'seq' and #value <= 15
           and string.find(value, '^[1-9]%d*$')
        then
            return tonumber(value)
        end
    end

    if last then
        fail('ERR', '"%s" is no feed: its last entry has no seq', shown(feed))
    end

    return 0
end


-- Options come before ids, which begin at what is none, or after "--".

local function inventory(keys, args, known)
    if #keys ~= 2 or keys[1] == keys[2] then
        fail('ERR', '2 keys are needed: a set and its feed')
    end

    local n = 0

    while args[n + 1] and string.find(args[n + 1], '^[%a_]+=') do
        n = n + 1
    end

    local option = options(args, 1, known, n)
    local maxlen = option.maxlen or MAXLEN

    if #maxlen > 9 or not string.find(maxlen, '^[1-9]%d*$') then
        fail('ERR', 'maxlen=%s: how many entries, 1 or more', shown(maxlen))
    end

    check_type(keys[2], 'stream')
    check_right('XADD', keys[2], '*', '', '')

    return { key = keys[1], feed = keys[2], maxlen = maxlen,
             type = option.type, seq = last_seq(keys[2]),
             first = args[n + 1] == '--' and n + 2 or n + 1 }
end


-- ids and scores are lists of JSON texts; scores may be nil.

local function feed(s, op, ids, scores)
    for first = 1, #ids, ENTRY do
        local last = math.min(first + ENTRY - 1, #ids)

        s.seq = s.seq + 1

        local entry = { s.feed, 'MAXLEN', '~', s.maxlen, '*', 'op', op, 'ids',
                        '[' .. table.concat(ids, ',', first, last) .. ']',
                        'seq', string.format('%.0f', s.seq) }

        if scores then
            entry[#entry + 1] = 'scores'
            entry[#entry + 1] = '[' .. table.concat(scores, ',', first, last)
                                .. ']'
        end

        redis.call('XADD', unpack(entry))
    end
end


-- Returns how many ids were new, or got another score.  What was so before
-- changes nothing, the feed neither.

local function add(keys, args)
    local s = inventory(keys, args, { maxlen = true, type = true })
    local kind = KINDS[s.type or 'set']

    if not kind then
        fail('ERR', 'type=%s: set, zset or hash', shown(s.type))
    end

    local step = kind.scores and 2 or 1
    local n = #args - s.first + 1

    if n == 0 or n % step ~= 0 then
        fail('ERR', '%s', kind.scores and 'scores and ids are needed, in turn'
                          or 'ids are needed')
    end

    check_type(s.key, s.type or 'set')

    for i = s.first, #args, step do
        if kind.scores then
            check_score(args[i])
        end

        check_id(args[i + step - 1])
    end

    local ids, scores = {}, kind.scores and {}

    for i = s.first, #args, step do
        local id, score = args[i + step - 1], args[i]

        if kind.put(s.key, id, score) then
            ids[#ids + 1] = cjson.encode(id)

            if scores then
                scores[#scores + 1] = score
            end
        end
    end

    feed(s, 'add', ids, scores)

    return #ids
end


-- Returns how many ids were there.

local function remove(keys, args)
    local s = inventory(keys, args, { maxlen = true })
    local is = redis.call('TYPE', s.key).ok

    if s.first > #args then
        fail('ERR', 'ids are needed')
    end

    if is ~= 'none' and not KINDS[is] then
        fail('ERR', '"%s" is a %s, not a set, zset or hash', s.key, is)
    end

    for i = s.first, #args do
        check_id(args[i])
    end

    local ids = {}

    for i = s.first, #args do
        if is ~= 'none'
           and redis.call(KINDS[is].remove, s.key, args[i]) == 1
        then
            ids[#ids + 1] = cjson.encode(args[i])
        end
    end

    feed(s, 'rem', ids)

    return #ids
end


local function register(name, callback, flags)
    redis.register_function({ function_name = name, flags = flags,
                              callback = guarded(name, callback) })
end


register('recs_publish', publish, {})
register('recs_rollback', rollback, { 'allow-oom' })
register('recs_history', history, { 'no-writes' })
register('recs_add', add, {})
register('recs_remove', remove, { 'allow-oom' })
