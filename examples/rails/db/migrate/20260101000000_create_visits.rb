class CreateVisits < ActiveRecord::Migration[6.1]
  def change
    create_table :visits do |t|
      t.string :agent, null: false
      t.timestamps
    end
  end
end
