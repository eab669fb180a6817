# Jekyll: _plugins/cackled.rb, then {% cackled %} in a layout. Comments are fetched when the site is built.
# _config.yml has the site's address: url: https://www.example
require "net/http"
require "uri"

class CackledTag < Liquid::Tag
  BASE = "https://comments.example".freeze
  SITE = 17

  def render(context)
    page = context.registers[:page]
    site = context.registers[:site].config
    given = { url: "#{site['url']}#{page['url']}", title: page["title"].to_s, lang: site["lang"].to_s }
    uri = URI("#{BASE}/threads/#{SITE}/fragment?#{URI.encode_www_form(given.reject { |_, value| value.empty? })}")
    answer = Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == "https", open_timeout: 1, read_timeout: 1) do |http|
      http.get(uri.request_uri)
    end
    html = answer.is_a?(Net::HTTPOK) ? answer.body.force_encoding("UTF-8") : ""
    %(<div id="mc-container">#{html}</div>)
  rescue SystemCallError, Timeout::Error, SocketError, OpenSSL::SSL::SSLError
    '<div id="mc-container"></div>'
  end
end

Liquid::Template.register_tag("cackled", CackledTag)
