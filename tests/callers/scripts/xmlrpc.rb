# Ruby's xmlrpc, as it is shipped without nil: makes the calls it reads from its standard input; see foreign.py.
require "json"
require "xmlrpc/client"

$stdout.sync = true

def to_json_value(value)
  case value
  when Array then value.map { |item| to_json_value(item) }
  when Hash then value.transform_values { |item| to_json_value(item) }
  when XMLRPC::DateTime then { "@date" => value.to_time.strftime("%Y-%m-%dT%H:%M:%S") }
  else value
  end
end

$stdin.each_line do |line|
  url, method, params = JSON.parse(line)
  begin
    said = { value: to_json_value(XMLRPC::Client.new2(url).call(method, *params)) }
  rescue XMLRPC::FaultException => fault
    said = { fault: [fault.faultCode, fault.faultString] }
  rescue StandardError => problem
    said = { error: "#{problem.class}: #{problem.message}" }
  end
  puts JSON.generate(said)
end
