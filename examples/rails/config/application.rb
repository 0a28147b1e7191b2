require_relative "boot"
require "logger"
require "rails"
require "active_record/railtie"
require "action_controller/railtie"
require "action_view/railtie"
Bundler.require(*Rails.groups)

module Visits
  class Application < Rails::Application
    config.load_defaults "6.1"
    config.eager_load = Rails.env.production?
    config.logger = ActiveSupport::Logger.new($stdout)
    config.log_level = :info
    # The schema is what the migrations make of it.
    config.active_record.dump_schema_after_migration = false
  end
end
