# What Ruby programs do on an ordinary day.
require "json"
require "set"
require "date"
require "digest"
require "stringio"
require "tempfile"
require "fileutils"
require "securerandom"
require "timeout"
require "zlib"
require "erb"
require "yaml"
require "bigdecimal" rescue nil

def check(value) = value || raise("failed at #{caller(1..1)}")

# files and folders
File.write("a.txt", "one\ntwo\n")
check File.readlines("a.txt", chomp: true) == %w[one two]
File.open("a.txt", "r+") { |f| f.seek(4); check f.gets == "two\n"; f.truncate(3) }
check File.size("a.txt") == 3 && File.stat("a.txt").file?
FileUtils.mkdir_p("x/y/z")
FileUtils.cp("a.txt", "x/y/b.txt")
FileUtils.mv("x/y/b.txt", "x/c.txt")
check Dir.glob("x/**/*").sort == %w[x/c.txt x/y x/y/z]
File.symlink("a.txt", "link")
check File.readlink("link") == "a.txt"
File.chmod(0o600, "a.txt")
File.utime(0, 0, "a.txt")
check File.mtime("a.txt").to_i == 0
IO.copy_stream("a.txt", "copy")
Tempfile.create { |f| f.write("x"); f.fsync }
FileUtils.rm_rf(%w[x a.txt link copy])

# text, numbers, data
check JSON.parse(JSON.dump({ "a" => [1, 2.5, nil, "é"] })) == { "a" => [1, 2.5, nil, "é"] }
check YAML.load("a: [1, 2]") == { "a" => [1, 2] }
check Digest::SHA256.hexdigest("")[0, 8] == "e3b0c442"
check Zlib::Inflate.inflate(Zlib::Deflate.deflate("x" * 1000)) == "x" * 1000
check ERB.new("<%= 1 + 1 %>").result == "2"
check (2**200).to_s.size == 61 && Rational(1, 3) + Rational(1, 6) == Rational(1, 2)
check Date.new(2024, 2, 29).next_year.to_s == "2025-02-28" && Time.at(0).utc.year == 1970
check "Grüße".unicode_normalize(:nfd).size == 6 && "a1b2".scan(/\d/) == %w[1 2]
check SecureRandom.hex.size == 32

# threads, fibers, queues, timeouts, ractors
queue = Queue.new
threads = 4.times.map { |n| Thread.new { queue << n * 2 } }
threads.each(&:join)
check 4.times.sum { queue.pop } == 12
mutex = Mutex.new
check mutex.synchronize { 1 } == 1
check Fiber.new { Fiber.yield 1 }.resume == 1
begin
  Timeout.timeout(0.05) { sleep }
  raise "no timeout"
rescue Timeout::Error
  nil
end

# processes, pipes, signals
reader, writer = IO.pipe
pid = fork { reader.close; writer.write("from the child"); exit!(5) }
writer.close
check reader.read == "from the child"
Process.wait(pid)
check $?.exitstatus == 5
check IO.popen(["/usr/bin/ruby3.3", "--disable-gems", "-e", "puts gets.to_i + 1"], "r+") { |p| p.puts 41; p.close_write; p.read } == "42\n"
check IO.select([reader], nil, nil, 0)
caught = []
trap("USR1") { caught << 1 }
Process.kill("USR1", $$)
sleep 0.001 until caught.any?
pid = spawn("/usr/bin/ruby3.3", "--disable-gems", "-e", "sleep")
Process.kill("TERM", pid)
Process.wait(pid)
check $?.termsig == 15
check Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID) > 0 && Process.getrlimit(:NOFILE)[0] >= 32
at_exit { puts "all right" }
GC.start
GC.compact rescue nil
