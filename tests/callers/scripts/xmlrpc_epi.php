<?php
// PHP's xmlrpc extension (xmlrpc-epi): makes the calls it reads from its standard input; see foreign.py.

function to_json_value($value) {
    if (is_array($value)) {
        return array_map('to_json_value', $value);
    }
    if (is_object($value) && $value->xmlrpc_type === 'datetime') {
        return ['@date' => gmdate('Y-m-d\TH:i:s', $value->timestamp)];
    }
    return $value;
}

while (($line = fgets(STDIN)) !== false) {
    [$url, $method, $params] = json_decode($line, true);
    $body = xmlrpc_encode_request($method, $params, ['encoding' => 'UTF-8', 'escaping' => 'markup']);
    $request = ['method' => 'POST', 'header' => 'Content-Type: text/xml', 'content' => $body];
    $answer = @file_get_contents($url, false, stream_context_create(['http' => $request]));
    $value = $answer === false ? null : xmlrpc_decode($answer, 'UTF-8');
    if ($answer === false) {
        $said = ['error' => error_get_last()['message']];
    } elseif (is_array($value) && xmlrpc_is_fault($value)) {
        $said = ['fault' => [$value['faultCode'], $value['faultString']]];
    } else {
        $said = ['value' => to_json_value($value)];
    }
    echo json_encode($said, JSON_THROW_ON_ERROR), "\n";
}
